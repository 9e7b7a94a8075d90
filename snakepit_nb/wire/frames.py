"""The frame around a value that has buffers: its JSON head, then the buffers as they are.

Little-endian: the magic, the count of buffers (u32), the length of the head (u64), the length of
each buffer (u64), the head, the buffers. A value without buffers is its JSON alone, unframed.
Where both ends share memory, a large frame lies there as a segment, and what travels is a
reference: another magic, the segment's number (u64) and its length (u64).
"""

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from snakepit_nb.errors import ValueEncodingError

Buffer = bytes | bytearray | memoryview

FIRST_BYTE = b"\x93"  # no JSON text, in no encoding, begins with this byte
MAGIC = FIRST_BYTE + b"SNB"
REFERENCE = FIRST_BYTE + b"SNR"
LARGE = 64 * 1024
"""Bytes. What is larger goes through shared memory, where there is some."""

_START = struct.Struct("<4sIQ")
_REFERENCE = struct.Struct("<4sQQ")
_LENGTH_BYTES = 8


class Segment(Protocol):
    """Bytes outside the message. Whoever wrote them may change them while they are read."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, offset: int, length: int) -> bytes:
        """Returns a copy of some of them; raises ValueEncodingError where there are not so many."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Copies them to where they shall stay; raises as `read`."""


class SegmentMaker(Protocol):
    """Puts large frames where the other end finds them."""

    def put(self, parts: Sequence[Buffer], size: int) -> int | None:
        """Takes up a frame; gives the number to refer to it by, or None where it is to travel."""


class SegmentOpener(Protocol):
    """Finds what the other end has put there."""

    def open(self, number: int, size: int) -> Segment:
        """Takes a segment, which nobody else then can; raises ValueEncodingError."""


class Slice(NamedTuple):
    """A buffer that lies in a segment."""

    segment: Segment
    offset: int
    length: int


Source = memoryview | Slice


class Buffers:
    """The buffers of one frame. Each is taken once: a small head cannot ask for much memory.

    What is taken is a copy, which nothing outside can change or take away.
    """

    __slots__ = ("_sources",)

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._sources: list[Source | None] = list(sources)

    def size(self, number: object) -> int:
        """Tells how long a buffer is, before there is memory for it."""
        source = self._source(number)
        return source.length if isinstance(source, Slice) else len(source)

    def take_bytes(self, number: object) -> bytes:
        """Gives the buffer of that number."""
        source = self.take_source(number)
        if isinstance(source, Slice):
            return source.segment.read(source.offset, source.length)
        return bytes(source)

    def take_into(self, number: object, target: memoryview) -> None:
        """Copies the buffer of that number into memory of its size."""
        source = self.take_source(number)
        if isinstance(source, Slice):
            source.segment.read_into(source.offset, target)
        else:
            target[:] = source

    def take_source(self, number: object) -> Source:
        """Gives the buffer of that number, for who reads it later."""
        source = self._source(number)
        assert isinstance(number, int)  # noqa: S101 (for mypy: `_source` has looked)
        self._sources[number] = None
        return source

    def check_all_taken(self) -> None:
        """Raises ValueEncodingError if the head left a buffer out."""
        if any(source is not None for source in self._sources):
            raise ValueEncodingError("The bytes are malformed: a buffer belongs to nothing.")

    def _source(self, number: object) -> Source:
        if type(number) is int and 0 <= number < len(self._sources):
            source = self._sources[number]
            if source is not None:
                return source
        raise ValueEncodingError("The bytes are malformed: there is no such buffer.")


def frame_parts(head: bytes, buffers: Sequence[Buffer]) -> list[Buffer]:
    """Gives what a frame is made of, without a copy of the buffers."""
    lengths = [memoryview(buffer).nbytes for buffer in buffers]
    start = _START.pack(MAGIC, len(buffers), len(head))
    return [start + struct.pack(f"<{len(lengths)}Q", *lengths), head, *buffers]


def join_frame(head: bytes, buffers: Sequence[Buffer]) -> bytes:
    """Writes a frame, with one copy of each buffer."""
    return b"".join(frame_parts(head, buffers))


def split_frame(data: memoryview) -> tuple[memoryview, Buffers]:
    """Gives the head and the buffers of a value, framed or not, without a copy.

    Raises:
        ValueEncodingError: the lengths that the frame tells are not those of its parts.
    """
    if data[: len(MAGIC)] != MAGIC:
        return data, Buffers()
    count, head_length = _read_start(bytes(data[: _START.size]))
    table = data[_START.size : _START.size + count * _LENGTH_BYTES]
    offsets, lengths = _layout(count, head_length, bytes(table), len(data))
    views = [
        data[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)
    ]
    return views[0], Buffers(views[1:])


def split_segment(segment: Segment) -> tuple[memoryview, Buffers]:
    """Gives the head of a frame that lies in a segment, and its buffers, which stay there.

    Raises: as `split_frame`.
    """
    count, head_length = _read_start(segment.read(0, min(_START.size, segment.size)))
    if count * _LENGTH_BYTES > segment.size:
        raise _cut_short()
    table = segment.read(_START.size, count * _LENGTH_BYTES)
    offsets, lengths = _layout(count, head_length, table, segment.size)
    slices = list(map(Slice, [segment] * (count + 1), offsets, lengths))
    head = segment.read(slices[0].offset, slices[0].length)
    return memoryview(head), Buffers(slices[1:])


def write_reference(number: int, size: int) -> bytes:
    """Writes what travels in place of a segment."""
    return _REFERENCE.pack(REFERENCE, number, size)


def read_reference(data: Buffer) -> tuple[int, int] | None:
    """Reads the number and the length of a segment; None: the data is no reference."""
    if len(data) != _REFERENCE.size or bytes(data[: len(REFERENCE)]) != REFERENCE:
        return None
    _, number, size = _REFERENCE.unpack(data)
    return number, size


def bytes_behind(data: Buffer) -> int:
    """Tells how much lies in the segment that some data refers to; 0 for all else."""
    reference = read_reference(data)
    return 0 if reference is None else reference[1]


def _read_start(start: bytes) -> tuple[int, int]:
    if len(start) < _START.size or not start.startswith(MAGIC):
        raise _cut_short()
    _, count, head_length = _START.unpack(start)
    return count, head_length


def _layout(
    count: int, head_length: int, table: bytes, size: int
) -> tuple[list[int], tuple[int, ...]]:
    """Gives where the head and each buffer begin, and how long they are."""
    if len(table) != count * _LENGTH_BYTES:
        raise _cut_short()
    lengths = (head_length, *struct.unpack(f"<{count}Q", table))
    offsets = list(accumulate(lengths, initial=_START.size + len(table)))
    if offsets.pop() != size:
        raise ValueEncodingError("The bytes are malformed: the frame is cut short or too long.")
    return offsets, lengths


def _cut_short() -> ValueEncodingError:
    return ValueEncodingError("The bytes are malformed: the frame is cut short.")
