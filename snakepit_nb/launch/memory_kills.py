"""Guesses whether a process was killed because memory ran out, which the system tells nobody."""

import re
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryKills:
    """How often the system has killed in this process's control group (Linux; else never).

    Workers belong to the group of the process that started them. One kill is told once, whichever
    worker it was, so of several at the same moment the others look like any SIGKILL.
    """

    def __init__(self, *, cgroups: Path = CGROUPS, mount: Path = MOUNT) -> None:
        self._files = _counters(cgroups, mount)
        self._known = self._count()

    def has_risen(self) -> bool:
        """Tells whether the system has killed since this was last asked, or made."""
        before, self._known = self._known, self._count()
        return self._known > before

    def _count(self) -> int:
        for file in self._files:
            with suppress(OSError):
                found = _KILLS.search(file.read_text())
                if found is not None:
                    return int(found[1])
        return 0


def _counters(cgroups: Path, mount: Path) -> list[Path]:
    """Names where the count may be found: in a container the own group may look like the root."""
    lines: list[str] = []
    with suppress(OSError):
        lines = cgroups.read_text().splitlines()
    files: list[Path] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        inner = group.lstrip("/")
        if not controllers:
            files += [mount / inner / "memory.events", mount / "memory.events"]
        elif "memory" in controllers.split(","):
            memory = mount / "memory"
            files += [memory / inner / "memory.oom_control", memory / "memory.oom_control"]
    return files
