"""Reads a value of whatever end: by our own codec, as raw JSON, or as a well-known message."""

from typing import Any

from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from snakepit_nb.errors import ValueEncodingError

from .frames import SegmentOpener
from .plain_values import read_plain_json
from .values import decode_value

VALUE_TYPE_URL = "type.googleapis.com/snakepit.value"
_WELL_KNOWN: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        struct_pb2.ListValue,
        struct_pb2.Struct,
        struct_pb2.Value,
        wrappers_pb2.BoolValue,
        wrappers_pb2.BytesValue,
        wrappers_pb2.DoubleValue,
        wrappers_pb2.FloatValue,
        wrappers_pb2.Int32Value,
        wrappers_pb2.Int64Value,
        wrappers_pb2.StringValue,
        wrappers_pb2.UInt32Value,
        wrappers_pb2.UInt64Value,
    )
}
_LAST_SPACE = b" "
"""Nobody writes white space before JSON; with such, or what sorts before it, messages begin."""


def read_any(packed: AnyMessage, opener: SegmentOpener | None = None) -> Any:
    """Reads a value.

    The original writes raw JSON, whatever the type url says; others pack the message that it names.

    Raises:
        ValueEncodingError: it is neither.
    """
    if packed.type_url == VALUE_TYPE_URL:
        return decode_value(packed.value, opener)
    name = packed.type_url.rpartition("/")[2]
    message = _WELL_KNOWN.get(name)
    if message is not None and packed.value[:1] <= _LAST_SPACE:
        return _unpacked(message, packed.value)
    try:
        return read_plain_json(packed.value, name.rpartition(".")[2])
    except ValueEncodingError as error:
        if message is struct_pb2.Value:  # of lists and objects, its tags are characters of JSON
            return _unpacked(message, packed.value)
        url = packed.type_url
        raise ValueEncodingError(f"{error.message} (Its type url is {url!r:.80}.)") from None


def _unpacked(kind: type[Message], data: bytes) -> Any:
    try:
        return _value_of(kind.FromString(data))
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise ValueEncodingError(f"The bytes are neither JSON nor a {name}.") from None


def _value_of(message: Any) -> Any:
    match message:
        case struct_pb2.Struct():
            return {name: _value_of(value) for name, value in message.fields.items()}
        case struct_pb2.ListValue():
            return [_value_of(value) for value in message.values]
        case struct_pb2.Value():
            kind = message.WhichOneof("kind")
            found = None if kind in (None, "null_value") else getattr(message, kind)
            return _value_of(found) if isinstance(found, Message) else found
        case _:
            return message.value
