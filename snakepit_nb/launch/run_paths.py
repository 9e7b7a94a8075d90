"""Removes the directories and files that were a run's own."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .runtime_directory import OUR_NAME, remove_runtime_directory


def remove_paths(paths: Iterable[str]) -> None:
    """Removes what is there of them, with the files in a directory, but never what lies deeper.

    They may come from a file that somebody has changed: what is not this user's, or has not our
    word in its name or in that of its directory, is left alone.
    """
    for path in map(Path, paths):
        with suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.geteuid() or OUR_NAME not in path.name + path.parent.name:
                continue
            if stat.S_ISDIR(status.st_mode):
                remove_runtime_directory(path)
            else:
                path.unlink()
