"""Calls, results and chunks in the original's form, for ends that are not ours (`plain_values`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import CALL_ID_KEY

from .generated import snakepit_bridge_pb2 as bridge
from .markers import MarkerPolicy
from .messages import call_metadata, write_metadata
from .plain_values import plain_json, read_plain_json, strict_plain_json

PARAMETER_URL = "type.googleapis.com/google.protobuf.StringValue"
"""The original's own, whose workers take raw JSON under it, and no packed message."""
FLOAT_URL = "type.googleapis.com/snakepit.float"
_RESULT_URL = "type.googleapis.com/snakepit."
_KINDS: dict[type, str] = {
    bool: "boolean",
    dict: "map",
    float: "float",
    int: "integer",
    list: "list",
    type(None): "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainForm:
    """How values are written for an end that is not ours."""

    policy: MarkerPolicy
    note: Callable[[str], object]
    """Is told the type of what has no form in JSON, and went as a marker."""

    def json(self, value: object) -> bytes:
        """Writes any value."""
        return plain_json(value, self.policy, self.note)


def is_of_another_end(request: bridge.ExecuteToolRequest) -> bool:
    """Tells whether the answer is to be in the original's form: our own ends give a call an id."""
    return CALL_ID_KEY not in request.metadata


def write_plain_call(call: ToolCall, session_id: str, *, stream: bool) -> bridge.ExecuteToolRequest:
    """Writes a call; texts, numbers and the like as JSON, bytes as they are.

    Raises:
        ValueEncodingError: a parameter has no form in JSON; the message names it.
    """
    request = bridge.ExecuteToolRequest(
        session_id=session_id, tool_name=call.tool_name, stream=stream
    )
    write_metadata(request.metadata, call.metadata)
    write_metadata(request.metadata, call_metadata(call.call_id, call.correlation_id))
    for name, value in call.parameters.items():
        if isinstance(value, bytes | bytearray | memoryview):
            request.binary_parameters[name] = bytes(value)
            continue
        try:
            request.parameters[name].CopyFrom(plain_parameter(value))
        except ValueEncodingError as error:
            raise ValueEncodingError(
                f"tool {call.tool_name!r}, parameter {name!r}: {error.message}",
                correlation_id=call.correlation_id,
            ) from None
    return request


def plain_parameter(value: object) -> AnyMessage:
    """Writes one value as the original's ends expect a parameter, or a host tool's result.

    Raises:
        ValueEncodingError: it has no form in JSON.
    """
    # NaN is a text in JSON, which its url makes a number again.
    url = FLOAT_URL if isinstance(value, float) else PARAMETER_URL
    return AnyMessage(type_url=url, value=strict_plain_json(value))


def write_plain_result(result: ToolResult, form: PlainForm) -> bridge.ExecuteToolResponse:
    """Writes what a tool returned; bytes go as they are."""
    response = bridge.ExecuteToolResponse(
        success=True, execution_time_ms=round(result.seconds * 1000)
    )
    write_metadata(response.metadata, result.metadata)
    value = result.value
    if isinstance(value, bytes | bytearray | memoryview) and value:
        response.binary_result = bytes(value)
    else:
        response.result.type_url = _RESULT_URL + _KINDS.get(type(value), "string")
        response.result.value = form.json(value)
    return response


def write_plain_chunk(tool_name: str, chunk: ToolChunk, form: PlainForm) -> bridge.ToolChunk:
    """Writes one item of a stream, or its end: texts and bytes as they are, the rest as JSON."""
    return bridge.ToolChunk(
        chunk_id=f"{tool_name}-{chunk.number}",
        data=_chunk_data(chunk.data, form),
        is_final=chunk.is_final,
        metadata=chunk.metadata,
    )


def read_plain_chunk(chunk: bridge.ToolChunk, number: int) -> ToolChunk:
    """Reads one item of a stream: JSON where it is such, else a text, else bytes."""
    return ToolChunk(
        number=number,
        data=_read_data(chunk.data) if chunk.data else None,
        bytes=len(chunk.data),
        metadata=dict(chunk.metadata),
    )


def _chunk_data(value: object, form: PlainForm) -> bytes:
    match value:
        case None:
            return b""
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case str():
            return value.encode("utf-8", "replace")
        case _:
            return form.json(value)


def _read_data(data: bytes) -> Any:
    try:
        return read_plain_json(data)
    except ValueEncodingError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
