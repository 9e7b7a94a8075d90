"""Control groups by which a process may have less than it wants. Only root can make them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .root import require_root
from .waiting import until

MOUNT = Path("/sys/fs/cgroup")
MEMORY = 64 * 1024 * 1024
MORE_PROCESSES = 8


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group, of version 1 or 2."""

    path: Path

    @classmethod
    @contextmanager
    def limited(cls, controller: str, *, of: int) -> Iterator["Cgroup"]:
        """Puts a process into a new group, which is removed when its processes have ended."""
        require_root("make control groups")
        version_1 = MOUNT / controller
        parent = version_1 if version_1.is_dir() else MOUNT
        if parent is MOUNT:
            (MOUNT / "cgroup.subtree_control").write_text(f"+{controller}")
        group = cls(parent / f"snakepit-{os.getpid()}-{of}")
        group.path.mkdir()
        try:
            group.limit(controller, of)
            (group.path / "cgroup.procs").write_text(str(of))
            yield group
        finally:
            group.remove()

    def limit(self, controller: str, process: int) -> None:
        if controller == "pids":
            threads = psutil.Process(process).num_threads()
            (self.path / "pids.max").write_text(str(threads + MORE_PROCESSES))
            return
        for name in ("memory.limit_in_bytes", "memory.max"):
            if (self.path / name).exists():
                (self.path / name).write_text(str(MEMORY))

    def is_full(self) -> bool:
        """Tells whether the limit of processes was hit, or all of them are gone already."""
        counted = (self.path / "pids.events").read_text().split()
        return counted[1] != "0" or self.is_empty()

    def is_empty(self) -> bool:
        return not self.processes

    @property
    def processes(self) -> list[int]:
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """Moves what is left to where it was, for the pool to end it."""
        for pid in self.processes:
            with suppress(ProcessLookupError):
                (self.path.parent / "cgroup.procs").write_text(str(pid))
        until(self._is_removed)

    def _is_removed(self) -> bool:
        """Removes it, once those that have ended are reaped."""
        with suppress(OSError):
            self.path.rmdir()
        return not self.path.exists()
