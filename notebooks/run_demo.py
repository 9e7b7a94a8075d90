#!/usr/bin/env python3
"""Runs a notebook in a real kernel and prints its cells and what they print. `make demo` calls it.

Usage: python notebooks/run_demo.py NOTEBOOK. The executed notebook is written to build/.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
BUILD_FOLDER = ROOT / "build"
LONGEST_CELL = 300  # seconds


def main(notebook: Path) -> int:
    """Runs the notebook in its own folder and returns the exit status."""
    os.environ["SNAKEPIT_NONINTERACTIVE"] = "1"  # plain text in place of widgets
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=LONGEST_CELL,
        coalesce_streams=True,
        resources={"metadata": {"path": str(notebook.resolve().parent)}},
        extra_arguments=["--log-level=ERROR"],  # it warns of its unencrypted ports
        on_cell_start=_print_source,
        on_cell_executed=_print_outputs,
    )
    failure = ""
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = str(error)
    executed = _write(content, notebook.name)
    print(f"\nThe executed notebook: {executed}")
    if failure:
        print(f"\nThe notebook failed:\n{failure}", file=sys.stderr)
    return 1 if failure else 0


def _write(content: NotebookNode, name: str) -> Path:
    BUILD_FOLDER.mkdir(exist_ok=True)
    nbformat.write(content, BUILD_FOLDER / name)
    return (BUILD_FOLDER / name).relative_to(ROOT)


def _print_source(cell: NotebookNode, cell_index: int) -> None:  # noqa: ARG001 (nbclient's hook)
    if cell.cell_type == "code":
        print("\n>>> " + cell.source.replace("\n", "\n... "), flush=True)
    for line in _headings(cell):
        print(f"\n{line}")


def _print_outputs(cell: NotebookNode, cell_index: int, execute_reply: object) -> None:  # noqa: ARG001
    for output in cell.outputs:
        print(_as_text(output).rstrip("\n"), flush=True)


def _headings(cell: NotebookNode) -> list[str]:
    if cell.cell_type != "markdown":
        return []
    return [line for line in cell.source.splitlines() if line.startswith("#")]


def _as_text(output: NotebookNode) -> str:
    match output.output_type:
        case "stream":
            return str(output.text)
        case "error":
            return f"{output.ename}: {output.evalue}"
        case _ if any(mime_type.startswith("image/") for mime_type in output.data):
            return "[figure]"
        case _:
            return str(output.data.get("text/plain", f"[{', '.join(output.data)}]"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
