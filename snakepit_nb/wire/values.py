"""The one codec for what travels between the notebook and its workers.

A value that JSON has is written as plain JSON, so that any peer reads it. A value of another kind
is a JSON object with the key `$py`, which names its carrier; arrays, tables and bytes travel as raw
buffers beside the JSON (`frames`), the large ones in memory that both ends share. Nothing is ever
unpickled, and a class is built only if the receiver has imported it (`classes`).
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from snakepit_nb.errors import SnakepitError, ValueEncodingError

from .arrays import ARRAY_CARRIERS, find_array_carrier
from .arrow import ARROW_CARRIERS, find_arrow_carrier
from .builtin_values import CARRIER_OF_TYPE
from .carriers import TAG, TOO_DEEP, Carrier, Fields, NotCarriedError, Packer
from .classes import CLASS_CARRIERS, find_class_carrier
from .frames import (
    FIRST_BYTE,
    LARGE,
    REFERENCE,
    Buffer,
    Buffers,
    SegmentMaker,
    SegmentOpener,
    frame_parts,
    join_frame,
    read_reference,
    split_frame,
    split_segment,
    write_reference,
)
from .json_depth import DEEPEST_JSON, check_depth
from .packed import APART_CARRIERS, Packed, StillPacked
from .pictures import CARRIER_OF_PICTURE, PICTURE_CARRIERS, find_image_carrier
from .tables import TABLE_CARRIERS, find_table_carrier

_CARRIERS = {
    carrier.tag: carrier
    for carrier in (
        *CARRIER_OF_TYPE.values(),
        *CLASS_CARRIERS,
        *ARRAY_CARRIERS,
        *TABLE_CARRIERS,
        *ARROW_CARRIERS,
        *PICTURE_CARRIERS,
        *APART_CARRIERS.values(),
    )
}
_FINDERS_OF_PACKAGE: dict[str, Callable[[type], Carrier | None]] = {
    "numpy": find_array_carrier,
    "pandas": find_table_carrier,
    "pyarrow": find_arrow_carrier,
    "PIL": find_image_carrier,
}

_to_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_from_plain_json = json.JSONDecoder().decode

_TAG_BYTES = f'"{TAG}"'.encode()
_NONE = Packed(b"null", ())


def encode_value(value: object, maker: SegmentMaker | None = None) -> bytes:
    """Writes a value with its exact types. It must not change meanwhile.

    What is large goes where `maker` puts it; a reference to it is written then.

    Raises:
        ValueEncodingError: a part of it has a type that is not carried, or it is nested too deep;
            the message names the type and where in the value it stands.
    """
    return _framed(pack_value(value), maker)


def pack_value(value: object) -> Packed:
    """Takes a value apart, and copies none of its buffers. Raises: as `encode_value`."""
    if value is None:
        return _NONE  # what most tools return
    try:
        return _pack(value, careful=False)
    except ValueError:  # NaN, a lone surrogate or a huge int: not JSON, so look at each part
        pass
    except RecursionError as error:
        raise ValueEncodingError(f"The value {TOO_DEEP}.") from error
    try:
        return _pack(value, careful=True)
    except (ValueError, RecursionError) as error:
        raise ValueEncodingError(f"The value cannot be written: {error}") from error


def join_packed(packed: Packed) -> bytes:
    """Writes a packed value, with one copy of each of its buffers."""
    return join_frame(packed.head, packed.buffers) if packed.buffers else packed.head


def decode_value(data: Buffer | StillPacked, opener: SegmentOpener | None = None) -> Any:
    """Reads a value that `encode_value` wrote, or plain JSON. Nothing in it refers to `data` later.

    Raises:
        ValueEncodingError: the bytes are malformed, a class is not imported here, or a package that
            the value needs is not installed; or what they refer to is gone.
    """
    if data == _NONE.head:
        return None  # what most tools return
    try:
        if isinstance(data, StillPacked):
            return _decode(memoryview(data.head), data.buffers)
        if _is_short_json(data):
            return _from_plain_json(str(data, "utf-8"))
        return _decode(*_split(memoryview(data).cast("B"), opener))
    except SnakepitError:
        raise
    except Exception as error:  # numpy, pandas and Arrow raise anything on what they cannot take
        raise ValueEncodingError(f"The bytes are malformed: {error!s:.300}") from error


def _split(data: memoryview, opener: SegmentOpener | None) -> tuple[memoryview, Buffers]:
    if data[: len(REFERENCE)] != REFERENCE:
        return split_frame(data)
    reference = read_reference(data)
    if reference is None or opener is None:
        raise ValueEncodingError("The bytes are malformed: no memory is shared here.")
    return split_segment(opener.open(*reference))


def _decode(head: memoryview, buffers: Buffers) -> Any:
    text = str(head, "utf-8")
    check_depth(text, head)
    if f'"{TAG}"' in text:
        value = json.loads(text, object_hook=partial(_unpack, buffers))
    else:
        value = _from_plain_json(text)
    buffers.check_all_taken()
    return value


def names_class_of(encoded: bytes, module: str) -> bool:
    """Tells whether an encoded value has, or may have, an instance of a class of a module."""
    head, _ = split_frame(memoryview(encoded))
    return f'"{module}:'.encode() in bytes(head)


def _is_short_json(data: Buffer) -> bool:
    """Tells whether a value needs no carrier, no buffer and no look at its depth, as most do."""
    return (
        type(data) is bytes
        and len(data) <= DEEPEST_JSON
        and _TAG_BYTES not in data
        and not data.startswith(FIRST_BYTE)
    )


def _framed(packed: Packed, maker: SegmentMaker | None) -> bytes:
    if maker is not None and packed.size > LARGE:
        parts = frame_parts(packed.head, packed.buffers)
        size = sum(memoryview(part).nbytes for part in parts)
        number = maker.put(parts, size)
        if number is not None:
            return write_reference(number, size)
    return join_packed(packed)


def _pack(value: object, *, careful: bool) -> Packed:
    packer = Packer(_find_carrier, careful=careful)
    try:
        head = _to_json(packer.pack(value)).encode()
    except NotCarriedError as refusal:
        raise ValueEncodingError(_explain(refusal)) from None
    return Packed(head, packer.buffers)


def _find_carrier(kind: type) -> Carrier | None:
    carrier = CARRIER_OF_TYPE.get(kind) or APART_CARRIERS.get(kind) or CARRIER_OF_PICTURE.get(kind)
    if carrier is None:
        find_in_package = _FINDERS_OF_PACKAGE.get(kind.__module__.partition(".")[0])
        carrier = find_in_package(kind) if find_in_package else find_class_carrier(kind)
    return carrier


def _explain(refusal: NotCarriedError) -> str:
    places = refusal.places[::-1]
    if len(places) > 8:
        places[4:-3] = ["…"]
    return f"The value{''.join(places)} {refusal.reason}."


def _unpack(buffers: Buffers, fields: Fields) -> object:
    tag = fields.get(TAG)
    if tag is None:
        return fields
    carrier = _CARRIERS.get(tag) if isinstance(tag, str) else None
    if carrier is None:
        raise ValueEncodingError(f"The bytes are malformed: no value is a {tag!s:.60}.")
    return carrier.unpack(fields, buffers)
