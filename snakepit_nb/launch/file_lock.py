"""Locks on files that end with the process that holds them, or with the last of its forks."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

WAITING_SECONDS = 0.01


def lock_existing(path: Path) -> int:
    """Takes the lock on a file and returns its descriptor, which holds it until it is closed.

    Raises:
        FileNotFoundError: the file is not there, or not any more.
        BlockingIOError: somebody holds it.
    """
    with ExitStack() as opened:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        opened.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have removed the file; then another may stand in its place by now.
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(path)
        opened.pop_all()
        return descriptor


def lock(path: Path, *, seconds: float) -> int:
    """Takes the lock on a file, which is made where it is not there, and returns its descriptor.

    Raises:
        BlockingIOError: somebody held it all that time.
        OSError: the file cannot be made.
    """
    deadline = time.monotonic() + seconds
    while True:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        try:
            return lock_existing(path)
        except (FileNotFoundError, BlockingIOError):
            if time.monotonic() >= deadline:
                raise
        time.sleep(WAITING_SECONDS)


@contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[None]:
    """Holds the lock on a file meanwhile. Raises: as `lock`."""
    descriptor = lock(path, seconds=seconds)
    try:
        yield
    finally:
        os.close(descriptor)
