"""Calls as the user's words make them, with an id of their own and the cell's correlation id."""

from collections.abc import Mapping

from snakepit_nb.calls import ToolCall
from snakepit_nb.identifiers import CORRELATION_KEY, CorrelationId, SessionId
from snakepit_nb.settings import Affinity
from snakepit_nb.telemetry.correlation import checked_correlation_id, new_call_id, requests


def new_tool_call(
    tool: str, arguments: Mapping[str, object], session: str | None, affinity: Affinity
) -> ToolCall:
    """Makes a tool's call. A `correlation_id` among its arguments names it and is taken out.

    Raises:
        UsageError: that cannot be a correlation id.
    """
    given = arguments.get(CORRELATION_KEY)
    return ToolCall(
        call_id=new_call_id(),
        correlation_id=chosen_correlation_id(None if given is None else str(given)),
        tool_name=tool,
        parameters={name: arguments[name] for name in arguments if name != CORRELATION_KEY},
        session_id=None if session is None else SessionId(session),
        affinity=affinity,
    )


def chosen_correlation_id(given: str | None) -> CorrelationId:
    """Returns the id that was given, else that of the cell that runs.

    Raises:
        UsageError: it cannot be a correlation id.
    """
    return requests.choose() if given is None else checked_correlation_id(given)
