"""The frame around a value that has buffers: its JSON head, then the buffers as they are.

Little-endian: the magic, the count of buffers (u32), the length of the head (u64), the length of
each buffer (u64), the head, the buffers. A value without buffers is its JSON alone, unframed.
"""

import struct
from collections.abc import Sequence

from snakepit_nb.errors import ValueEncodingError

Buffer = bytes | bytearray | memoryview

MAGIC = b"\x93SNB"  # no JSON text, in no encoding, begins with this byte
_START = struct.Struct("<4sIQ")
_LENGTH_BYTES = 8


class Buffers:
    """The buffers of one frame. Each is taken once: a small head cannot ask for much memory."""

    __slots__ = ("_views",)

    def __init__(self, views: Sequence[memoryview] = ()) -> None:
        self._views: list[memoryview | None] = list(views)

    def take(self, number: object) -> memoryview:
        """Gives the buffer of that number, as a view on the received bytes."""
        if type(number) is int and 0 <= number < len(self._views):
            view = self._views[number]
            if view is not None:
                self._views[number] = None
                return view
        raise ValueEncodingError("The bytes are malformed: there is no such buffer.")

    def check_all_taken(self) -> None:
        """Raises ValueEncodingError if the head left a buffer out."""
        if any(view is not None for view in self._views):
            raise ValueEncodingError("The bytes are malformed: a buffer belongs to nothing.")


def join_frame(head: bytes, buffers: Sequence[Buffer]) -> bytes:
    """Writes a frame, with one copy of each buffer."""
    lengths = [memoryview(buffer).nbytes for buffer in buffers]
    start = _START.pack(MAGIC, len(buffers), len(head))
    return b"".join((start, struct.pack(f"<{len(lengths)}Q", *lengths), head, *buffers))


def split_frame(data: memoryview) -> tuple[memoryview, Buffers]:
    """Gives the head and the buffers of a value, framed or not, without a copy.

    Raises:
        ValueEncodingError: the lengths that the frame tells are not those of its parts.
    """
    if data[: len(MAGIC)] != MAGIC:
        return data, Buffers()
    if len(data) < _START.size:
        raise ValueEncodingError("The bytes are malformed: the frame is cut short.")
    _, count, head_length = _START.unpack_from(data)
    position = _START.size + count * _LENGTH_BYTES
    if position > len(data):
        raise ValueEncodingError("The bytes are malformed: the frame is cut short.")
    lengths = (head_length, *struct.unpack_from(f"<{count}Q", data, _START.size))
    if position + sum(lengths) != len(data):
        raise ValueEncodingError("The bytes are malformed: the frame is cut short or too long.")
    parts: list[memoryview] = []
    for length in lengths:
        parts.append(data[position : position + length])
        position += length
    return parts[0], Buffers(parts[1:])
