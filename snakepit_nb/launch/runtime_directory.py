"""The private directory in which a launcher's workers make their sockets."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.wire.private_directory import verify_private_directory

LONGEST_SOCKET_PATH = 100
"""Bytes. The system takes 107 (macOS 103); gRPC's complaint above that does not name the path."""
LONGEST_SOCKET_NAME = "9999999.sock"

OUR_NAME = "snakepit"
SHARED_PLACE = Path("/tmp")  # noqa: S108 (checked to be private)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (as above)


def create_runtime_directory(preferred: str, *, shared: Path = SHARED_PLACE) -> Path:
    """Makes a new directory below `preferred` (`$XDG_RUNTIME_DIR`, may be empty), else in `shared`.

    Raises:
        WorkerStartError: what stands there is not private to this user.
    """
    name = secrets.token_hex(4)
    if preferred:
        directory = Path(preferred) / OUR_NAME / name
        if _is_short_enough(directory) and _make_private(directory.parent, may_exist=True):
            return _made(directory)
    return _made(shared / f"snakepit-{os.geteuid()}-{name}")


def restore_runtime_directory(directory: Path) -> None:
    """Makes a directory again that somebody has removed: a cleaner of old files, for instance.

    Raises:
        WorkerStartError: it cannot be made, or what stands there is not private to this user.
    """
    if directory.exists():
        return
    if directory.parent.name == OUR_NAME:
        _make_private(directory.parent, may_exist=True)
    if not _make_private(directory, may_exist=True):
        raise WorkerStartError(f"{directory} is gone and cannot be made; workers need it.")


def create_buffer_directories(
    directory: Path, *, shared_memory: Path = SHARED_MEMORY
) -> tuple[Path, ...]:
    """Makes the directories for large buffers beside a runtime directory, which is the last one.

    That is most often on a disk, and then slower, but has room where there is no shared memory.
    """
    made = shared_memory / f"snakepit-{os.geteuid()}-{directory.name.rpartition('-')[2]}"
    with suppress(WorkerStartError):
        if _make_private(made, may_exist=False):
            return made, directory
    return (directory,)


def remove_runtime_directory(directory: Path) -> None:
    """Removes a directory and the files in it; the guardian may have been there before."""
    with suppress(OSError):  # what cannot be removed is no reason to fail at the end of all
        for entry in directory.iterdir():
            entry.unlink(missing_ok=True)
        directory.rmdir()


def socket_path(directory: Path, number: int) -> Path:
    """Names the socket of a launcher's worker by its number, never by text from elsewhere."""
    return directory / f"{number}.sock"


def black_box_path(directory: Path, number: int) -> Path:
    """Names the file in which that worker keeps a record of its calls."""
    return directory / f"{number}.box"


def bridge_socket_path(directory: Path) -> Path:
    """Names the socket at which the workers of a directory find the kernel."""
    return directory / "bridge.sock"


def _made(directory: Path) -> Path:
    if not _make_private(directory, may_exist=False):
        raise WorkerStartError(f"{directory} cannot be made; workers keep their sockets there.")
    return directory


def _make_private(directory: Path, *, may_exist: bool) -> bool:
    try:
        directory.mkdir(mode=0o700, exist_ok=may_exist)
    except OSError:
        return False
    verify_private_directory(directory)
    return True


def _is_short_enough(directory: Path) -> bool:
    return len(os.fsencode(directory / LONGEST_SOCKET_NAME)) <= LONGEST_SOCKET_PATH
