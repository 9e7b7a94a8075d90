"""Calls of host tools and what they come to, to and from the seed's messages.

An argument without a name travels under its place: `0`, `1`, ... are no names in Python.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import (
    CALL_ID_KEY,
    CORRELATION_KEY,
    CallId,
    CorrelationId,
    SessionId,
)

from .any_values import VALUE_TYPE_URL, read_any
from .failures import decode_failure, encode_failure
from .generated import snakepit_bridge_pb2 as bridge
from .messages import read_metadata, read_parameters, write_metadata
from .values import encode_value


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """One request to run a function of the notebook."""

    tool_name: str
    correlation_id: CorrelationId
    call_id: CallId | None = None
    """Of the call in the worker that makes it; None: it is not known."""
    session_id: SessionId | None = None
    arguments: tuple[object, ...] = ()
    keywords: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    traceparent: str = ""
    """The span that it lies in, as a header carries it."""
    shown: int = 0
    """How many messages of the cell that makes it were sent before it."""


def write_host_call(
    call: HostCall, write_value: Callable[[object], AnyMessage] | None = None
) -> bridge.ExecuteElixirToolRequest:
    """Writes a call; `write_value` writes its arguments for another end than ours.

    Raises:
        ValueEncodingError: an argument has a type that does not travel; the message names it.
    """
    request = bridge.ExecuteElixirToolRequest(
        session_id=call.session_id or "", tool_name=call.tool_name
    )
    write_metadata(request.metadata, call.metadata)
    request.metadata[CORRELATION_KEY] = call.correlation_id
    if call.call_id:
        request.metadata[CALL_ID_KEY] = call.call_id
    placed = {str(place): value for place, value in enumerate(call.arguments)}
    for name, value in {**placed, **call.keywords}.items():
        try:
            packed = (write_value or _packed)(value)
        except ValueEncodingError as error:
            raise ValueEncodingError(
                f"host tool {call.tool_name!r}, parameter {name!r}: {error.message}",
                correlation_id=call.correlation_id,
            ) from None
        request.parameters[name].CopyFrom(packed)
    return request


def read_host_call(
    request: bridge.ExecuteElixirToolRequest,
    correlation_id: CorrelationId,
    traceparent: str = "",
    shown: int = 0,
) -> HostCall:
    """Reads a call.

    Raises:
        ValueEncodingError: an argument cannot be decoded; the message names it.
    """
    read = read_parameters(request.parameters)
    call_id = request.metadata.get(CALL_ID_KEY)
    places = sorted((name for name in read if name.isdecimal()), key=int)
    return HostCall(
        tool_name=request.tool_name,
        correlation_id=correlation_id,
        call_id=CallId(call_id) if call_id else None,
        session_id=SessionId(request.session_id) if request.session_id else None,
        arguments=tuple(read.pop(name) for name in places),
        keywords=read,
        metadata=read_metadata(request.metadata),
        traceparent=traceparent,
        shown=shown,
    )


def write_host_result(value: object, seconds: float) -> bridge.ExecuteElixirToolResponse:
    """Writes what a function returned.

    Raises:
        ValueEncodingError: it has a type that does not travel.
    """
    return bridge.ExecuteElixirToolResponse(
        success=True,
        result=_packed(value),
        execution_time_ms=round(seconds * 1000),
    )


def write_host_failure(
    error: BaseException, tool_name: str, *, hide_file: str = ""
) -> bridge.ExecuteElixirToolResponse:
    """Writes what a function raised."""
    text = encode_failure(error, tool_name=tool_name, hide_file=hide_file)
    return bridge.ExecuteElixirToolResponse(success=False, error_message=text)


def read_host_result(response: bridge.ExecuteElixirToolResponse) -> Any:
    """Returns what a function returned.

    Raises:
        SnakepitError: what it raised; whoever sends that on knows the correlation id.
    """
    if not response.success:
        raise decode_failure(response.error_message, correlation_id=None)
    return response.binary_result or read_any(response.result)


def _packed(value: object) -> AnyMessage:
    return AnyMessage(type_url=VALUE_TYPE_URL, value=encode_value(value))
