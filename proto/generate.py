#!/usr/bin/env python3
"""Writes the Python modules of the two protos, and their stubs, into snakepit_nb/wire/generated.

`make protos` calls it after a change of a proto. Usage: python proto/generate.py [OUTPUT_ROOT]
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

PROTO_FOLDER = Path(__file__).resolve().parent
PACKAGE = "snakepit_nb.wire.generated"
PACKAGE_FOLDER = Path(*PACKAGE.split("."))


def generate(output_root: Path) -> None:
    """Writes the generated modules below the given root, as `snakepit_nb/wire/generated/*`."""
    generated = output_root / PACKAGE_FOLDER
    generated.mkdir(parents=True, exist_ok=True)
    # Protoc imports after the proto's path, so that of our own is mapped to the package's.
    _run_protoc(
        include=f"{PACKAGE_FOLDER.as_posix()}={PROTO_FOLDER}",
        proto=f"{PACKAGE_FOLDER.as_posix()}/snakepit_cells.proto",
        output=output_root,
    )
    # The bridge's must stay registered under its bare name, which is the original's.
    _run_protoc(include=str(PROTO_FOLDER), proto="snakepit_bridge.proto", output=generated)
    for path in generated.glob("snakepit_bridge_pb2*"):
        _import_from_package(path)


def _run_protoc(*, include: str, proto: str, output: Path) -> None:
    outputs = [f"--{kind}_out={output}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    scripts = Path(sysconfig.get_path("scripts"))  # not on PATH unless the environment is active
    plugins = [f"--plugin={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    subprocess.run(  # noqa: S603 (every word is ours, or the caller's output root)
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{include}", *plugins, *outputs, proto],
        check=True,
    )


def _import_from_package(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    bare = "\nimport snakepit_bridge_pb2 as "
    code = code.replace(bare, f"\nfrom {PACKAGE} import snakepit_bridge_pb2 as ")
    path.write_text(code, encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO_FOLDER.parent)
