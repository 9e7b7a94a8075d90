"""Calls as the user's words make them, with an id of their own and the cell's correlation id."""

from collections.abc import Mapping

from snakepit_nb.bridge.host_calls import calls_that_wait
from snakepit_nb.calls import NO_ORIGIN, Origin, ToolCall
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import (
    CORRELATION_KEY,
    WORKER_SESSION_PREFIX,
    CorrelationId,
    SessionId,
    is_correlation_id,
)
from snakepit_nb.settings import Affinity, PoolSettings
from snakepit_nb.telemetry.correlation import (
    checked_correlation_id,
    current_correlation_id,
    new_call_id,
    requests,
)
from snakepit_nb.telemetry.origins import baggage_item, origin_here


def new_tool_call(
    settings: PoolSettings,
    tool: str,
    arguments: Mapping[str, object],
    session: str | None,
    affinity: Affinity,
) -> ToolCall:
    """Makes a tool's call. A `correlation_id` among its arguments names it and is taken out.

    Raises:
        UsageError: that cannot be a correlation id, or the session is a worker's own.
    """
    if session is not None:
        check_session(session)
    given = arguments.get(CORRELATION_KEY)
    correlation_id = chosen_correlation_id(None if given is None else str(given))
    return ToolCall(
        call_id=new_call_id(),
        correlation_id=correlation_id,
        tool_name=tool,
        parameters={name: arguments[name] for name in arguments if name != CORRELATION_KEY},
        session_id=None if session is None else SessionId(session),
        affinity=affinity,
        on_behalf_of=calls_that_wait(),
        origin=new_origin(settings, correlation_id),
    )


def check_session(name: str) -> None:
    """Raises UsageError where a session is not for users by its name."""
    if name.startswith(WORKER_SESSION_PREFIX):
        worker = name.removeprefix(WORKER_SESSION_PREFIX)
        raise UsageError(
            f"session {name!r}: such are the workers' own. Take --targets {worker}, or "
            f"pool.worker({worker!r})."
        )


def new_origin(settings: PoolSettings, correlation_id: CorrelationId) -> Origin:
    """Returns what a call that is made here takes along for its spans."""
    return origin_here(correlation_id) if settings.telemetry else NO_ORIGIN


def chosen_correlation_id(given: str | None) -> CorrelationId:
    """Returns the id that was given, else that of the surroundings or of the cell that runs.

    The surroundings are a `with correlation(...)`, else a `correlation_id` in OpenTelemetry's
    baggage.

    Raises:
        UsageError: it cannot be a correlation id.
    """
    if given is not None:
        return checked_correlation_id(given)
    carried = baggage_item(CORRELATION_KEY)
    if isinstance(carried, str) and is_correlation_id(carried) and current_correlation_id() is None:
        return CorrelationId(carried)
    return requests.choose()
