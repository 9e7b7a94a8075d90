"""Calls of whatever end are read, bad ones are refused by the name of what is wrong with them."""

import json
import math
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import CallId, CorrelationId
from snakepit_nb.wire.any_values import VALUE_TYPE_URL, read_any
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.markers import MarkerPolicy
from snakepit_nb.wire.messages import read_call, read_result, write_call
from snakepit_nb.wire.plain_messages import (
    FLOAT_URL,
    PARAMETER_URL,
    PlainForm,
    is_of_another_end,
    read_plain_chunk,
    write_plain_call,
    write_plain_chunk,
    write_plain_result,
)

CORRELATION = CorrelationId("sp-1")
FORM = PlainForm(policy=MarkerPolicy(), note=lambda _: None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=6,
)


def a_call(**parameters: object) -> ToolCall:
    return ToolCall(
        call_id=CallId("c1"), correlation_id=CORRELATION, tool_name="t", parameters=parameters
    )


def read_parameter(url: str, data: bytes) -> Any:  # noqa: ANN401 (JSON)
    request = bridge.ExecuteToolRequest(parameters={"p": AnyMessage(type_url=url, value=data)})
    return read_call(request, CORRELATION).parameters["p"]


def packed(message: Message) -> AnyMessage:
    made = AnyMessage()
    made.Pack(message)
    return made


@pytest.mark.parametrize(
    "url",
    ["", PARAMETER_URL, "type.snakepit.bridge/json", "type.googleapis.com/google.protobuf.Value"],
)
@settings(deadline=None, max_examples=25)
@given(value=JSON.filter(lambda value: "inf" not in repr(value)))
def test_raw_json_is_read_whatever_its_type_url_says(url: str, value: object) -> None:
    assert read_parameter(url, json.dumps(value).encode()) == value


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_a_packed_text_is_read_also_where_it_looks_like_json(text: str) -> None:
    assert read_any(packed(wrappers_pb2.StringValue(value=text))) == text


@settings(deadline=None, max_examples=60)
@given(JSON.filter(lambda value: "inf" not in repr(value) and not has_large_int(value)))
def test_a_packed_struct_or_value_is_read(value: Any) -> None:  # noqa: ANN401 (JSON)
    message = struct_pb2.Struct()
    message.update({"value": value})
    assert read_any(packed(message)) == {"value": value}
    assert read_any(packed(message.fields["value"])) == value


def has_large_int(value: object) -> bool:
    return any(len(word) > 15 for word in repr(value).split() if word.strip("-[],{}").isdigit())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (wrappers_pb2.BoolValue(value=True), True),
        (wrappers_pb2.BoolValue(), False),
        (wrappers_pb2.Int64Value(value=-(2**62)), -(2**62)),
        (wrappers_pb2.UInt32Value(value=7), 7),
        (wrappers_pb2.DoubleValue(value=1.5), 1.5),
        (wrappers_pb2.BytesValue(value=b"\x00\xff"), b"\x00\xff"),
        (wrappers_pb2.StringValue(value="123456789"), "123456789"),
    ],
)
def test_a_packed_wrapper_is_read(message: Message, expected: object) -> None:
    found = read_any(packed(message))
    assert (type(found), found) == (type(expected), expected)


def test_unknown_fields_do_no_harm() -> None:
    text = wrappers_pb2.StringValue(value="x").SerializeToString()
    assert read_parameter(PARAMETER_URL, text + b"\x78\x01") == "x"
    request = bridge.ExecuteToolRequest(tool_name="t").SerializeToString() + b"\xf8\x07\x01"
    assert read_call(bridge.ExecuteToolRequest.FromString(request), CORRELATION).tool_name == "t"


BAD = {
    "nothing": ("", b""),
    "half a JSON": ("", b'{"a":'),
    "not UTF-8": (PARAMETER_URL, b'"\xff"'),
    "not UTF-8 packed": (PARAMETER_URL, b"\n\x01\xff"),
    "wrong url": ("type.googleapis.com/google.protobuf.Duration", b"\x08\x05"),
    "no url at all": ("/////", b"\x00\x01"),
    "cut short": (PARAMETER_URL, b"\n\x7fabc"),
    "cut short value": ("type.googleapis.com/google.protobuf.Value", b"*\x7fabc"),
    "deep": ("", b"[" * 200_000),
    "deep and closed": (PARAMETER_URL, b"[" * 5000 + b"]" * 5000),
    "deep of ours": (VALUE_TYPE_URL, b'{"a":' * 100_000),
    "long number": ("", b"1" * 100_000),
    "unknown tag": (VALUE_TYPE_URL, b'{"$py":"exec"}'),
    "tensor bomb": ("type.snakepit.bridge/snakepit.tensor", b'{"shape":[99999999999],"data":[]}'),
}


@pytest.mark.parametrize(("url", "data"), BAD.values(), ids=BAD)
def test_a_malformed_parameter_is_refused_by_its_name(url: str, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueEncodingError, match="parameter 'p': "):
            read_parameter(url, data)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["", PARAMETER_URL, VALUE_TYPE_URL, FLOAT_URL, "x/snakepit.tensor",
                     "type.googleapis.com/google.protobuf.Value",
                     "type.googleapis.com/google.protobuf.Struct"]),
    st.binary(),
)  # fmt: skip
def test_random_bytes_end_in_a_value_or_one_kind_of_error(url: str, data: bytes) -> None:
    with suppress(ValueEncodingError):
        read_parameter(url, data)


def test_a_tag_of_our_codec_means_nothing_in_anothers_json() -> None:
    assert read_parameter("", b'{"$py":"tuple","items":[]}') == {"$py": "tuple", "items": []}


def test_a_pickle_is_refused_by_its_name() -> None:
    request = bridge.ExecuteToolRequest(
        binary_parameters={"p": b"cos\nsystem\n."}, metadata={"binary_format:p": "pickle"}
    )
    with pytest.raises(ValueEncodingError, match="parameter 'p': it is a pickle"):
        read_call(request, CORRELATION)


def test_a_call_in_the_originals_form() -> None:
    call = a_call(text="a", loss=math.nan, raw=b"\x00", pair=(1, None))
    request = write_plain_call(call, "s1", stream=False)
    assert {name: packed.value for name, packed in request.parameters.items()} == {
        "text": b'"a"', "loss": b'"NaN"', "pair": b"[1,null]",
    }  # fmt: skip
    assert request.parameters["text"].type_url == PARAMETER_URL
    assert request.parameters["loss"].type_url == FLOAT_URL
    assert dict(request.binary_parameters) == {"raw": b"\x00"}
    assert (request.session_id, request.metadata["correlation_id"]) == ("s1", CORRELATION)
    assert str(read_call(request, CORRELATION).parameters["loss"]) == "nan"


def test_a_parameter_without_form_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueEncodingError, match=r"parameter 'f': .* `builtins.function`"):
        write_plain_call(a_call(f=lambda: None), "", stream=False)


def test_ours_give_a_call_an_id_and_others_do_not() -> None:
    assert not is_of_another_end(write_call(a_call(), stream=False))
    assert is_of_another_end(bridge.ExecuteToolRequest(metadata={"correlation_id": "x"}))


@settings(deadline=None, max_examples=60)
@given(JSON.filter(lambda value: "inf" not in repr(value)))
def test_a_result_in_the_originals_form_keeps_what_json_has(value: object) -> None:
    response = write_plain_result(ToolResult(value=value, seconds=0.5), FORM)
    assert read_result(response).value == value
    assert response.execution_time_ms == 500


@pytest.mark.parametrize(
    ("value", "url", "data"),
    [
        (3, "integer", b"3"),
        (None, "null", b"null"),
        (True, "boolean", b"true"),
        ({"a": 1}, "map", b'{"a":1}'),
        ((1, 2), "string", b"[1,2]"),
    ],
)
def test_a_result_says_what_it_is(value: object, url: str, data: bytes) -> None:
    result = write_plain_result(ToolResult(value=value), FORM).result
    assert (result.type_url, result.value) == (f"type.googleapis.com/snakepit.{url}", data)


def test_bytes_and_numbers_that_are_none_are_results_too() -> None:
    assert write_plain_result(ToolResult(value=b"\x00"), FORM).binary_result == b"\x00"
    assert math.isinf(read_result(write_plain_result(ToolResult(value=math.inf), FORM)).value)
    assert read_result(bridge.ExecuteToolResponse(success=True)).value is None


@pytest.mark.parametrize(
    ("value", "data"),
    [(None, b""), (b"\x00", b"\x00"), ("ä", "ä".encode()), ([1, (2,)], b"[1,[2]]")],
)
def test_a_chunk_in_the_originals_form(value: object, data: bytes) -> None:
    chunk = write_plain_chunk("t", ToolChunk(number=2, data=value), FORM)
    assert (chunk.chunk_id, chunk.data, chunk.is_final) == ("t-2", data, False)


@pytest.mark.parametrize(
    ("data", "value"), [(b"", None), (b'{"a":1}', {"a": 1}), (b"word", "word"), (b"\xff", b"\xff")]
)
def test_a_chunk_of_the_original_is_read(data: bytes, value: object) -> None:
    assert read_plain_chunk(bridge.ToolChunk(data=data), 1).data == value
