"""Tool calls, their results and chunks, to and from the seed's messages."""

from collections.abc import Callable, Mapping, MutableMapping

from google.protobuf.any_pb2 import Any as AnyMessage

from snakepit_nb.calls import ParameterSpec, ToolCall, ToolChunk, ToolResult, ToolSpec
from snakepit_nb.errors import UnsendableResultError, ValueEncodingError
from snakepit_nb.identifiers import (
    CALL_ID_KEY,
    CORRELATION_KEY,
    CallId,
    CorrelationId,
    SessionId,
)

from .any_values import VALUE_TYPE_URL, read_any
from .frames import LARGE, SegmentMaker, SegmentOpener, bytes_behind
from .generated import snakepit_bridge_pb2 as bridge
from .values import decode_value, encode_value

PICKLED = "pickle"
IDEMPOTENT_KEY = "idempotent"  # in the metadata of a tool


def write_call(
    call: ToolCall, maker: SegmentMaker | None = None, *, stream: bool
) -> bridge.ExecuteToolRequest:
    """Writes a call; `maker` puts beside it what is large.

    Raises:
        ValueEncodingError: a parameter has a type that does not travel; the message names both.
    """
    request = bridge.ExecuteToolRequest(
        session_id=call.session_id or "", tool_name=call.tool_name, stream=stream
    )
    write_metadata(request.metadata, call.metadata)
    write_metadata(request.metadata, call_metadata(call.call_id, call.correlation_id))
    for name, value in call.parameters.items():
        if type(value) is bytes and (maker is None or len(value) <= LARGE):
            request.binary_parameters[name] = value
            continue
        try:
            request.parameters[name].CopyFrom(_pack(value, maker))
        except ValueEncodingError as error:
            raise ValueEncodingError(
                f"tool {call.tool_name!r}, parameter {name!r}: {error.message}",
                correlation_id=call.correlation_id,
            ) from None
    return request


def read_call(
    request: bridge.ExecuteToolRequest,
    correlation_id: CorrelationId,
    opener: SegmentOpener | None = None,
) -> ToolCall:
    """Reads a call; its correlation id is for the reader to choose, who sees the headers too.

    Raises:
        ValueEncodingError: a parameter cannot be decoded; the message names it.
    """
    parameters = read_parameters(request.parameters, opener)
    if request.binary_parameters:
        parameters = {**_binary_parameters(request), **parameters}
    metadata = read_metadata(request.metadata)
    return ToolCall(
        call_id=call_id_of(request),
        correlation_id=correlation_id,
        tool_name=request.tool_name,
        parameters=parameters,
        session_id=SessionId(request.session_id) if request.session_id else None,
        metadata=metadata,
    )


def _binary_parameters(request: bridge.ExecuteToolRequest) -> dict[str, object]:
    for name in request.binary_parameters:
        if request.metadata.get(f"binary_format:{name}") == PICKLED:
            raise ValueEncodingError(
                f"parameter {name!r}: it is a pickle, which could run code here and is not read. "
                "Send it in another form."
            )
    return dict(request.binary_parameters)


def read_parameters(
    parameters: Mapping[str, AnyMessage], opener: SegmentOpener | None = None
) -> dict[str, object]:
    """Reads arguments by name. Raises: as `read_call`."""
    read: dict[str, object] = {}
    for name in parameters:
        try:
            read[name] = read_any(parameters[name], opener)
        except ValueEncodingError as error:
            raise ValueEncodingError(f"parameter {name!r:.80}: {error.message}") from None
    return read


def call_id_of(request: bridge.ExecuteToolRequest) -> CallId:
    """Tells which call it is, before the rest of it is read; another host gives none."""
    return CallId(request.metadata.get(CALL_ID_KEY, ""))


def bytes_behind_call(request: bridge.ExecuteToolRequest) -> int:
    """Tells how much lies in the segments that a call refers to."""
    parameters = request.parameters
    return sum(bytes_behind(parameters[name].value) for name in parameters) if parameters else 0


def write_result(
    tool_name: str, result: ToolResult, maker: SegmentMaker | None = None
) -> bridge.ExecuteToolResponse:
    """Writes what a tool returned; bytes go as they are.

    Raises:
        UnsendableResultError: it has a type that does not travel; the message names both.
    """
    response = bridge.ExecuteToolResponse(
        success=True, execution_time_ms=round(result.seconds * 1000)
    )
    write_metadata(response.metadata, result.metadata)
    is_plain = type(result.value) is bytes and (maker is None or len(result.value) <= LARGE)
    if is_plain and result.value:
        response.binary_result = result.value
    else:
        response.result.type_url = VALUE_TYPE_URL
        response.result.value = _encode_result(tool_name, result.value, maker)
    return response


def read_result(
    response: bridge.ExecuteToolResponse, opener: SegmentOpener | None = None
) -> ToolResult:
    """Reads what a tool returned."""
    value = response.binary_result or (
        read_any(response.result, opener) if response.HasField("result") else None
    )
    return ToolResult(
        value=value,
        seconds=response.execution_time_ms / 1000,
        metadata=read_metadata(response.metadata) if response.metadata else {},
    )


def write_chunk(
    tool_name: str, chunk: ToolChunk, maker: SegmentMaker | None = None
) -> bridge.ToolChunk:
    """Writes one item of a stream, or its end. Raises: as `write_result`."""
    return bridge.ToolChunk(
        chunk_id=f"{tool_name}-{chunk.number}",
        data=b"" if chunk.is_final else _encode_result(tool_name, chunk.data, maker),
        is_final=chunk.is_final,
        metadata=chunk.metadata,
    )


def read_chunk(chunk: bridge.ToolChunk, opener: SegmentOpener | None = None) -> ToolChunk:
    """Reads one item of a stream, or its end."""
    number = chunk.chunk_id.rpartition("-")[2]
    return ToolChunk(
        number=int(number) if number.isdecimal() else 0,
        data=decode_value(chunk.data, opener) if chunk.data else None,
        is_final=chunk.is_final,
        bytes=bytes_behind(chunk.data) or len(chunk.data),
        metadata=dict(chunk.metadata),
    )


def write_tool(
    spec: ToolSpec, write_value: Callable[[object], AnyMessage] | None = None
) -> bridge.ToolSpec:
    """Writes what a worker says of a tool. A default that does not travel is left out.

    `write_value` writes defaults for another end than ours.
    """
    return bridge.ToolSpec(
        name=spec.name,
        description=spec.description,
        supports_streaming=spec.supports_streaming,
        metadata={IDEMPOTENT_KEY: "true"} if spec.is_idempotent else {},
        parameters=[
            bridge.ParameterSpec(
                name=parameter.name,
                type=parameter.type_name,
                description=parameter.description,
                required=parameter.required,
                default_value=None
                if parameter.required
                else _pack_default(parameter.default, write_value or _pack),
            )
            for parameter in spec.parameters
        ],
    )


def read_tool(spec: bridge.ToolSpec) -> ToolSpec:
    """Reads what a worker says of a tool."""
    return ToolSpec(
        name=spec.name,
        description=spec.description,
        supports_streaming=spec.supports_streaming,
        is_idempotent=spec.metadata.get(IDEMPOTENT_KEY) == "true",
        parameters=tuple(
            ParameterSpec(
                name=parameter.name,
                type_name=parameter.type,
                description=parameter.description,
                required=parameter.required,
                default=_unpack_default(parameter),
            )
            for parameter in spec.parameters
        ),
    )


def call_metadata(call_id: CallId, correlation_id: CorrelationId) -> dict[str, str]:
    """Returns the metadata that every request carries."""
    return {CALL_ID_KEY: call_id, CORRELATION_KEY: correlation_id}


def write_metadata(field: MutableMapping[str, str], metadata: Mapping[str, str]) -> None:
    """Writes entry by entry; protobuf's own `update` would take five times as long."""
    for key, value in metadata.items():
        field[key] = value


def read_metadata(field: Mapping[str, str]) -> dict[str, str]:
    """Reads entry by entry; `dict` would take three times as long."""
    return {key: field[key] for key in field}


def _encode_result(tool_name: str, value: object, maker: SegmentMaker | None) -> bytes:
    try:
        return encode_value(value, maker)
    except ValueEncodingError as error:
        raise UnsendableResultError(f"tool {tool_name!r}: its result: {error.message}") from None


def _pack(value: object, maker: SegmentMaker | None = None) -> AnyMessage:
    return AnyMessage(type_url=VALUE_TYPE_URL, value=encode_value(value, maker))


def _pack_default(value: object, write_value: Callable[[object], AnyMessage]) -> AnyMessage | None:
    try:
        return write_value(value)
    except ValueEncodingError:
        return None


def _unpack_default(parameter: bridge.ParameterSpec) -> object:
    if not parameter.HasField("default_value"):
        return None
    return read_any(parameter.default_value)
