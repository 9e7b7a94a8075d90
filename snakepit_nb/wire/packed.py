"""What travels inside another value without being joined to it: packed values, and pickles."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from snakepit_nb.errors import ValueEncodingError

from .carriers import Carrier, Fields, Packer, read_field
from .frames import Buffer, Buffers


@dataclass(frozen=True, slots=True)
class Packed:
    """A value taken apart, on its way out: its JSON, and the buffers that this refers to."""

    head: bytes
    buffers: Sequence[Buffer]

    @property
    def size(self) -> int:
        """How much there is of it."""
        return len(self.head) + sum(memoryview(buffer).nbytes for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class StillPacked:
    """A packed value as it comes in. Its buffers lie where they came to until it is decoded."""

    head: bytes
    buffers: Buffers


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle, and the buffers that it refers to. Whoever unpickles it trusts where it is from."""

    data: bytes
    buffers: tuple[Buffer, ...] = ()
    """Memory of its own; read-only where the object cannot be written to."""


def _pack_packed(value: Packed, packer: Packer) -> dict[str, object]:
    head = packer.add_buffer(value.head)
    return {"head": head, "buffers": [packer.add_buffer(buffer) for buffer in value.buffers]}


def _unpack_packed(fields: Fields, buffers: Buffers) -> StillPacked:
    head = buffers.take_bytes(fields.get("head"))
    numbers = read_field(fields, "buffers", list)
    return StillPacked(head, Buffers([buffers.take_source(number) for number in numbers]))


def _pack_pickled(value: Pickled, packer: Packer) -> dict[str, object]:
    data = packer.add_buffer(value.data)
    return {
        "data": data,
        "buffers": [packer.add_buffer(buffer) for buffer in value.buffers],
        "fixed": [memoryview(buffer).readonly for buffer in value.buffers],
    }


def _unpack_pickled(fields: Fields, buffers: Buffers) -> Pickled:
    data = buffers.take_bytes(fields.get("data"))
    numbers, fixed = read_field(fields, "buffers", list), read_field(fields, "fixed", list)
    if len(numbers) != len(fixed):
        raise ValueEncodingError("The bytes are malformed: a pickle has other buffers.")
    taken = tuple(map(_taken, [buffers] * len(numbers), numbers, fixed))
    return Pickled(data, taken)


def _taken(buffers: Buffers, number: object, fixed: object) -> Buffer:
    memory = new_memory(buffers.size(number))
    buffers.take_into(number, memory)
    return memory.toreadonly() if fixed else memory


def new_memory(size: int) -> memoryview:
    """Makes writable memory; where numpy is loaded, without filling it with zeros first."""
    make = getattr(sys.modules.get("numpy"), "empty", None)
    return memoryview(bytearray(size) if make is None else make(size, "u1"))


APART_CARRIERS: dict[type, Carrier] = {
    Packed: Carrier(tag="packed", pack=_pack_packed, unpack=_unpack_packed),
    Pickled: Carrier(tag="pickled", pack=_pack_pickled, unpack=_unpack_pickled),
}
