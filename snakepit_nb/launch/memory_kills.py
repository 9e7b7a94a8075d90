"""Guesses whether a process was killed because memory ran out, which the system tells nobody."""

import re
from contextlib import suppress
from pathlib import Path

from .control_groups import CGROUPS, MOUNT, group_files

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryKills:
    """How often the system has killed in this process's control group (Linux; else never).

    Workers belong to the group of the process that started them. One kill is told once, whichever
    worker it was, so of several at the same moment the others look like any SIGKILL.
    """

    def __init__(self, *, cgroups: Path = CGROUPS, mount: Path = MOUNT) -> None:
        self._files = group_files(
            "memory",
            unified="memory.events",
            legacy="memory.oom_control",
            cgroups=cgroups,
            mount=mount,
        )
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
