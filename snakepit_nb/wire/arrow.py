"""Carriers for Arrow's tables, record batches and arrays: Arrow's own stream format, validated."""

import struct

from snakepit_nb.errors import ValueEncodingError

from .carriers import Carrier, Fields, Foreign, Packer, load_package
from .frames import Buffers

_COLUMN = "values"
_HEADER, _DATA, _COMPRESSION = 8, 6, 10
"""Where the vtables of a message, a dictionary and a batch have what stands in these names."""


def find_arrow_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for a type of pyarrow's."""
    pyarrow = load_package("pyarrow")
    if kind is pyarrow.Table:
        return _TABLE
    if kind is pyarrow.RecordBatch:
        return _BATCH
    if kind is pyarrow.ChunkedArray:
        return _CHUNKED_ARRAY
    return _ARRAY if issubclass(kind, pyarrow.Array) else None


def _pack_table(table: Foreign, packer: Packer) -> dict[str, object]:
    pyarrow = load_package("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write(table)
    return {"buffer": packer.add_buffer(memoryview(sink.getvalue()))}


def _pack_array(array: Foreign, packer: Packer) -> dict[str, object]:
    return _pack_table(load_package("pyarrow").record_batch({_COLUMN: array}), packer)


def _pack_chunked_array(array: Foreign, packer: Packer) -> dict[str, object]:
    return _pack_table(load_package("pyarrow").table({_COLUMN: array}), packer)


def _unpack_table(fields: Fields, buffers: Buffers) -> Foreign:
    return _checked(_open_stream(fields, buffers).read_all())


def _unpack_batch(fields: Fields, buffers: Buffers) -> Foreign:
    return _checked(_open_stream(fields, buffers).read_next_batch())


def _unpack_array(fields: Fields, buffers: Buffers) -> object:
    return _unpack_batch(fields, buffers).column(_COLUMN)


def _unpack_chunked_array(fields: Fields, buffers: Buffers) -> object:
    return _unpack_table(fields, buffers).column(_COLUMN)


def _open_stream(fields: Fields, buffers: Buffers) -> Foreign:
    pyarrow = load_package("pyarrow")
    copied = buffers.take_bytes(fields.get("buffer"))
    for message in pyarrow.ipc.MessageReader.open_stream(copied):
        if message.type != "schema" and _is_compressed(message):
            raise ValueEncodingError("The bytes are malformed: an Arrow table is compressed.")
    return pyarrow.ipc.open_stream(copied)


def _checked(table: Foreign) -> Foreign:
    table.validate(full=True)  # else a wrong offset would read past the buffer's end
    return table


def _is_compressed(message: Foreign) -> bool:
    """Reads the flatbuffer of a message: what is compressed could grow beyond all memory."""
    metadata = bytes(message.metadata)
    header = _field(metadata, _follow(metadata, 0), _HEADER)
    if header is not None and message.type == "dictionary":
        header = _field(metadata, _follow(metadata, header), _DATA)
    return (
        header is not None and _field(metadata, _follow(metadata, header), _COMPRESSION) is not None
    )


def _follow(metadata: bytes, position: int) -> int:
    (distance,) = struct.unpack_from("<I", metadata, position)
    return position + int(distance)


def _field(metadata: bytes, table: int, slot: int) -> int | None:
    (distance,) = struct.unpack_from("<i", metadata, table)
    slots = table - distance
    (size,) = struct.unpack_from("<H", metadata, slots)
    if slot + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, slots + slot)
    return table + int(offset) if offset else None


_TABLE = Carrier(tag="pyarrow.Table", pack=_pack_table, unpack=_unpack_table)
_BATCH = Carrier(tag="pyarrow.RecordBatch", pack=_pack_table, unpack=_unpack_batch)
_CHUNKED_ARRAY = Carrier(
    tag="pyarrow.ChunkedArray", pack=_pack_chunked_array, unpack=_unpack_chunked_array
)
_ARRAY = Carrier(tag="pyarrow.Array", pack=_pack_array, unpack=_unpack_array)
ARROW_CARRIERS = (_TABLE, _BATCH, _CHUNKED_ARRAY, _ARRAY)
