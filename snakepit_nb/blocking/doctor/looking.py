"""Reads what is there: the installation, the places of files, what dead kernels have left."""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from snakepit_nb.launch.file_systems import is_on_network
from snakepit_nb.launch.registry import Registry, RegistryProblem
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry
from snakepit_nb.launch.runtime_directory import (
    LONGEST_SOCKET_NAME,
    create_runtime_directory,
    remove_runtime_directory,
)
from snakepit_nb.launch.state_directory import state_directory
from snakepit_nb.launch.sweep import Orphans

from .facts import Interpreter, OrphanCount, RegistryPlace, RuntimePlace

OURS = "snakepit-nb"
PYTHON = "Python"
PACKAGES = (
    OURS,
    "grpcio",
    "protobuf",
    "anyio",
    "ipykernel",
    "ipywidgets",
    "cloudpickle",
    "opentelemetry-sdk",
)

_LEAST = re.compile(r"^([A-Za-z0-9._-]+)>=([0-9.]+)$")


def this_interpreter() -> Interpreter:
    """Reads what runs here. It imports none of the packages: one may be broken."""
    return Interpreter(
        executable=sys.executable,
        python=platform.python_version(),
        versions={name: version_of(name) for name in PACKAGES},
    )


def version_of(distribution: str) -> str | None:
    """Reads the version of what is installed under this name, if anything is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def least_versions() -> Mapping[str, str]:
    """Reads which versions this package needs at least."""
    try:
        told = importlib.metadata.metadata(OURS)
    except importlib.metadata.PackageNotFoundError:
        return {}
    lines = [f"{PYTHON}{told['Requires-Python']}", *(told.get_all("Requires-Dist") or [])]
    found = [_LEAST.match(line) for line in lines]
    return {each[1]: each[2] for each in found if each is not None}


def look_at_runtime() -> RuntimePlace:
    """Makes a runtime directory as a pool does, and removes it.

    Raises:
        WorkerStartError: it cannot be made, or is not private.
    """
    preferred = os.environ.get("XDG_RUNTIME_DIR", "")
    directory = create_runtime_directory(preferred)
    try:
        system = os.statvfs(directory)
        return RuntimePlace(
            directory=str(directory),
            preferred=preferred,
            path_bytes=len(os.fsencode(directory / LONGEST_SOCKET_NAME)),
            free_bytes=system.f_bavail * system.f_frsize,
        )
    finally:
        remove_runtime_directory(directory)


def look_at_registry(left: Sequence[Orphans]) -> RegistryPlace:
    """Reads the registry, if there is one, and makes none; `left` are the runs that are dead."""
    state = state_directory()
    path = Registry(state).path
    runs: Mapping[str, tuple[RunEntry, tuple[WorkerEntry, ...]]] = {}
    problem = ""
    if path.exists():
        with closing(Registry(state)) as registry:
            try:
                runs = registry.runs()
            except RegistryProblem as found:
                problem = str(found)
    dead = {orphans.run_id for orphans in left}
    live = [workers for run_id, (_, workers) in runs.items() if run_id not in dead]
    return RegistryPlace(
        path=str(path),
        is_there=path.exists(),
        is_writable=os.access(_nearest_there(path), os.W_OK),
        is_on_network=is_on_network(state),
        problem=problem,
        live_runs=len(live),
        live_workers=sum(map(len, live)),
        dead_runs=len(left),
    )


def count_orphans(left: Sequence[Orphans]) -> OrphanCount:
    """Counts what killed kernels have left."""
    pids = sorted(process.pid for orphans in left for process in orphans.processes)
    return OrphanCount(runs=len(left), processes=tuple(pids))


def _nearest_there(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
