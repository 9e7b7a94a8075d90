"""The memory that a kernel shares with each of its workers, for what is too large for gRPC.

Each large frame is a file of its own, a *segment*, in a private directory of the run, on
`/dev/shm` where there is room. Its sender writes it and sends its number. Its receiver opens it,
takes its name away and copies what it needs to where that shall stay, so the memory is free again
as soon as both have done their part. What nobody took, its sender removes when the call has ended;
what a dead worker left, the pool removes; what a dead kernel left, its guardian or the next sweep.

The files themselves are the business of `segments`.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from snakepit_nb.errors import ValueEncodingError, WorkerStartError
from snakepit_nb.off_loop import off_loop

from .frames import Buffer, SegmentMaker
from .handshake import Introduction
from .private_directory import verify_private_directory
from .segments import TakenSegment, has_room, remove_segments, take_segment, write_segment

QUICK_BYTES = 1024 * 1024
"""So much is copied on the loop; more would hold up the other calls, and goes to a thread."""

T = TypeVar("T")

_NOTHING: Mapping[str, int] = {}
_noting = threading.Lock()
"""Of all calls: most have nothing to note, and one for each would be made for nothing."""


class Side(StrEnum):
    """Who writes a segment."""

    KERNEL = "k"
    WORKER = "w"


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferSpace:
    """Where a worker and its kernel put segments."""

    directories: tuple[str, ...] = ()
    """The best first; a segment is in the first that had room for it. None: there are none."""
    worker: int = 0
    """Its number among those that share the directories."""

    def path(self, directory: str, side: Side, number: int) -> str:
        """Names a segment. There is nothing in it that the other end could choose."""
        return f"{directory}/{self.worker}-{side}{number}"

    def remove_all(self) -> None:
        """Removes what the two ends have left, once the worker is dead."""
        ours = f"{self.worker}-"
        for directory in self.directories:
            with suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.startswith(ours):
                        Path(entry.path).unlink()


def space_of(introduction: Introduction) -> BufferSpace:
    """Gives the space that a worker was told."""
    return BufferSpace(
        directories=introduction.buffer_directories, worker=introduction.buffer_number
    )


def reachable(space: BufferSpace) -> BufferSpace:
    """Gives a space if this process can reach all of it, which it may not from a container."""
    try:
        for directory in space.directories:
            verify_private_directory(Path(directory))
    except WorkerStartError:
        return BufferSpace()
    return space


@dataclass(slots=True)
class BufferEnd:
    """One of the two ends of a line, the `side`."""

    space: BufferSpace
    side: Side
    numbers: Iterator[int] = field(default_factory=count)

    def outgoing(self) -> "Outgoing":
        """Makes what one call sends by."""
        return Outgoing(self.space, self.side, self.numbers)

    def open(self, number: int, size: int) -> TakenSegment:
        """Takes a segment of the other side.

        Raises:
            ValueEncodingError: it is gone, or is not what the other side should have made.
        """
        theirs = Side.WORKER if self.side is Side.KERNEL else Side.KERNEL
        for directory in self.space.directories:
            path = self.space.path(directory, theirs, number)
            with suppress(FileNotFoundError):
                return take_segment(path, size)
        raise ValueEncodingError(
            "A buffer is gone: something has removed it from "
            f"{' and '.join(self.space.directories) or 'memory that is not shared'}."
        )


class Outgoing:
    """The segments of one call that this end has made. Behind its `with` none of them is left."""

    __slots__ = ("_is_closed", "_is_used", "_numbers", "_side", "_space", "_unwritten", "_written")

    def __init__(self, space: BufferSpace, side: Side, numbers: Iterator[int]) -> None:
        self._space = space
        self._side = side
        self._numbers = numbers
        self._unwritten: tuple[tuple[int, Sequence[Buffer], int], ...] = ()
        self._written: Mapping[str, int] = _NOTHING
        self._is_used = False
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if self._is_used:
            self.discard()

    def put(self, parts: Sequence[Buffer], size: int) -> int | None:
        """Takes up a frame. It must not change until it is written."""
        if not self._space.directories:
            return None
        self._is_used = True
        number = next(self._numbers)
        self._unwritten += ((number, parts, size),)
        return number

    async def written(self, write: Callable[[SegmentMaker | None], T]) -> T:
        """Writes a message by `write`, and what is large of it beside; all of it where no room is.

        Raises: as `write`.
        """
        message = write(self)
        if not self._unwritten:
            return message
        is_quick = sum(size for _, _, size in self._unwritten) <= QUICK_BYTES
        is_written = self.write() if is_quick else await off_loop(self.write)
        return message if is_written else write(None)

    def write(self) -> bool:
        """Writes what was put. Tells whether there was room, else nothing of it is left. Blocks."""
        unwritten, self._unwritten = self._unwritten, ()
        written: dict[str, int] = {}
        for number, parts, size in unwritten:
            path = self._write(number, parts, size)
            if path is None:
                remove_segments(written)
                return False
            written[path] = size
        with _noting:
            if not self._is_closed:
                self._written = {**self._written, **written}
                return True
        remove_segments(written)  # the call has ended meanwhile
        return True

    def untaken(self) -> int:
        """Tells how many bytes the other end has not taken yet."""
        if not self._written:
            return 0
        self._written = {path: size for path, size in self._written.items() if Path(path).exists()}
        return sum(self._written.values())

    def discard(self) -> None:
        """Removes what the other end has not taken, and all that would be written from now on."""
        with _noting:
            self._is_closed = True
        remove_segments(self._written)
        self._written = _NOTHING

    def _write(self, number: int, parts: Sequence[Buffer], size: int) -> str | None:
        for directory in self._space.directories:
            path = self._space.path(directory, self._side, number)
            if has_room(directory, size) and write_segment(path, parts):
                return path
        return None


async def read_beside(read: Callable[[], T], size: int) -> T:
    """Reads a message, on a thread if there is much in the segments that it refers to."""
    if size <= QUICK_BYTES:
        return read()
    message: list[T] = []  # not returned by the thread, which would hold it until its next turn
    await off_loop(lambda: message.append(read()))
    return message.pop()
