"""Where the system keeps what it says of this process's control group (Linux; else nowhere)."""

from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


def group_files(
    controller: str,
    *,
    unified: str,
    legacy: str,
    cgroups: Path = CGROUPS,
    mount: Path = MOUNT,
) -> list[Path]:
    """Names where a controller's file may be, by its name in version 2 and in version 1.

    There are several: in a container the own group may look like the root.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = cgroups.read_text().splitlines()
    files: list[Path] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        inner = group.lstrip("/")
        if not controllers:
            files += [mount / inner / unified, mount / unified]
        elif controller in controllers.split(","):
            files += [mount / controller / inner / legacy, mount / controller / legacy]
    return files
