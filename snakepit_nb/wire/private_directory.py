"""The check that a directory belongs to nobody but us, before a socket is made or sought in it."""

import os
import stat
from pathlib import Path

from snakepit_nb.errors import WorkerStartError


def verify_private_directory(path: Path) -> None:
    """Makes sure that only this user can enter a directory: gRPC does not look at who connects.

    Raises:
        WorkerStartError: it is a link, no directory, somebody else's, or open to others.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise WorkerStartError(f"{path} cannot be checked: {error.strerror}.") from error
    if not stat.S_ISDIR(status.st_mode):
        raise WorkerStartError(f"{path} is not a directory; remove it, sockets are kept there.")
    if status.st_uid != os.geteuid():
        raise WorkerStartError(f"{path} belongs to user {status.st_uid}; sockets need our own.")
    if status.st_mode & 0o077:
        raise WorkerStartError(f"{path} is open to other users; do `chmod 700 {path}`.")
