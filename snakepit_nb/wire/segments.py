"""Files that hold one large frame each, on their way from one process to another.

Nothing is ever mapped: a file that its writer cuts short would kill whoever looks at it so, and a
full file system whoever writes. `read` and `write` tell both as errors, and take as long.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from snakepit_nb.errors import ValueEncodingError

from .frames import Buffer

SPARE_BYTES = 4 * 1024 * 1024
"""So much of a file system is left to others."""
_MOST_BUFFERS = 512  # in one `writev`; the system takes 1024


def take_segment(path: str, size: int) -> "TakenSegment":
    """Opens a segment and takes its name away, so that it is nobody else's.

    Raises:
        FileNotFoundError: there is none.
        ValueEncodingError: what stands there cannot be one.
    """
    try:
        # Neither is a link followed, nor a pipe waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        segment = TakenSegment(descriptor, size)
        try:
            segment.check()
        finally:
            Path(path).unlink()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueEncodingError(f"A buffer cannot be read: {error}") from error
    return segment


class TakenSegment:
    """A segment without a name. It is gone with this object."""

    __slots__ = ("_descriptor", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size

    def __del__(self) -> None:
        os.close(self._descriptor)

    def check(self) -> None:
        """Makes sure that it is a file of ours alone, and as long as its reference says.

        Raises:
            ValueEncodingError: it is not.
        """
        status = os.fstat(self._descriptor)
        is_ours = status.st_uid == os.geteuid() and not status.st_mode & 0o077
        # One with another name besides is something else that was linked here.
        if not (stat.S_ISREG(status.st_mode) and is_ours and status.st_nlink == 1):
            raise ValueEncodingError("The bytes are malformed: a buffer is no file of ours.")
        if status.st_size != self.size:
            raise ValueEncodingError("The bytes are malformed: a buffer has another length.")

    def read(self, offset: int, length: int) -> bytes:
        """Returns a copy of some of it."""
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        data = os.read(self._descriptor, length)
        if len(data) == length:
            return data
        whole = bytearray(length)  # the system gives 2 GiB at once
        whole[: len(data)] = data
        self.read_into(offset + len(data), memoryview(whole)[len(data) :])
        return bytes(whole)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Copies some of it to where that shall stay."""
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        while len(target):
            count_read = os.readv(self._descriptor, [target])
            if not count_read:
                raise ValueEncodingError("The bytes are malformed: a buffer was cut short.")
            target = target[count_read:]


def has_room(directory: str, size: int) -> bool:
    """Tells whether so many bytes more leave enough of a file system to others."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return False
    if status.f_blocks == 0:  # it has no bounds
        return True
    return status.f_bavail * status.f_frsize >= size + SPARE_BYTES


def write_segment(path: str, parts: Sequence[Buffer]) -> bool:
    """Writes a new segment; tells whether there was room for all of it, else nothing is left."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        _write_all(descriptor, [memoryview(part).cast("B") for part in parts])
    except BaseException as error:
        remove_segments([path])
        if isinstance(error, OSError):
            return False
        raise
    finally:
        os.close(descriptor)
    return True


def _write_all(descriptor: int, views: list[memoryview]) -> None:
    position = 0
    while position < len(views):
        count_written = os.writev(descriptor, views[position : position + _MOST_BUFFERS])
        while position < len(views) and count_written >= len(views[position]):
            count_written -= len(views[position])
            position += 1
        if count_written:
            views[position] = views[position][count_written:]


def remove_segments(paths: Iterable[str]) -> None:
    """Removes those that are still there."""
    for path in paths:
        with suppress(OSError):
            Path(path).unlink()
