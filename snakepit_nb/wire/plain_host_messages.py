"""Calls of host tools, and what they come to, in the form of the original's ends."""

import ast
from collections.abc import Mapping
from typing import Any

from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CorrelationId

from .generated import snakepit_bridge_pb2 as bridge
from .host_messages import HostCall, read_host_call, write_host_call
from .plain_messages import plain_parameter

LONGEST_LITERAL = 1024 * 1024


def write_plain_host_call(call: HostCall) -> bridge.ExecuteElixirToolRequest:
    """Writes a call for the original's host, which reads JSON whatever it is.

    Raises:
        UsageError: an argument has no name.
        ValueEncodingError: one has no form in JSON; the message names it.
    """
    if call.arguments:
        raise UsageError(
            f"host tool {call.tool_name!r}: give its arguments by name, {call.tool_name}(key=...): "
            "this host knows no others."
        )
    return write_host_call(call, plain_parameter)


def read_plain_host_call(
    request: bridge.ExecuteElixirToolRequest, correlation_id: CorrelationId
) -> HostCall:
    """Reads a call. Raises: as `read_host_call`."""
    call = read_host_call(request, correlation_id)
    return HostCall(
        tool_name=call.tool_name,
        correlation_id=correlation_id,
        session_id=call.session_id,
        arguments=call.arguments,
        keywords=_meant(call.keywords),
        metadata=call.metadata,
    )


def write_plain_host_result(value: object, seconds: float) -> bridge.ExecuteElixirToolResponse:
    """Writes what a function returned.

    Raises:
        ValueEncodingError: it has no form in JSON.
    """
    return bridge.ExecuteElixirToolResponse(
        success=True, result=plain_parameter(value), execution_time_ms=round(seconds * 1000)
    )


def _meant(keywords: Mapping[str, object]) -> dict[str, object]:
    return {
        name: _literal(value) if isinstance(value, str) else value
        for name, value in keywords.items()
    }


def _literal(text: str) -> Any:
    """Reads the text that the original's worker makes of a list, a dict and None, by `str`."""
    if text == "None":
        return None
    if text[:1] not in ("[", "{") or len(text) > LONGEST_LITERAL:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, list | dict) else text
