"""Runs the notebook's functions for workers, and knows for which calls of theirs."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Protocol, TypeVar

import anyio

from snakepit_nb.errors import CallCancelledError, UsageError, nearest
from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.pool.pending_call import PendingCall
from snakepit_nb.pool.pool import Pool
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to
from snakepit_nb.telemetry.origins import within
from snakepit_nb.wire.host_messages import HostCall

from .host_tools import HostTools, check_arguments
from .tool_registry import LocalTool, ToolRegistry

T = TypeVar("T")

_asked_by: ContextVar[tuple[CallId, ...]] = ContextVar("snakepit_asked_by", default=())


def calls_that_wait() -> tuple[CallId, ...]:
    """Returns the calls that wait for the running code, the nearest last; none but in host tools.

    What these call in turn is called on their behalf.
    """
    return _asked_by.get()


class GivenUpError(CallCancelledError):
    """Nobody wants the value any more: the call that asked for it was ended."""


class Threads(Protocol):
    """Where plain functions run."""

    async def run(self, asked_by: tuple[CallId, ...], work: Callable[[], T]) -> T:
        """Runs a function in the thread that waits for the nearest of these calls, or in another.

        Cancelling gives it up.
        """


class AnyThread:
    """Runs each in a thread of its own."""

    async def run(self, _asked_by: tuple[CallId, ...], work: Callable[[], T]) -> T:
        """Runs a function. Cancelling leaves it to itself."""
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


class HostCalls:
    """The host tools of one pool."""

    def __init__(
        self, pool: Pool, registry: ToolRegistry, tools: HostTools, threads: Threads
    ) -> None:
        self._pool = pool
        self._registry = registry
        self._tools = tools
        self._threads = threads

    def find(self, call: HostCall) -> LocalTool:
        """Returns the function that a call wants: its session's, else one that is for all.

        Raises:
            UsageError: there is none of that name.
        """
        own = None
        if call.session_id is not None:
            own = self._registry.find(call.session_id, call.tool_name)
        found = own if isinstance(own, LocalTool) else self._tools.find(call.tool_name)
        if found is None:
            names = [tool.spec.name for tool in self._tools]
            raise UsageError(
                f"There is no host tool {call.tool_name!r}: {nearest(call.tool_name, names)}"
            )
        return found

    def offered(self, session_id: SessionId) -> tuple[LocalTool, ...]:
        """Returns the functions that a session may call."""
        own = [t for t in self._registry.tools_of(session_id) if isinstance(t, LocalTool)]
        by_name = {tool.spec.name: tool for tool in (*self._tools, *own)}
        return tuple(by_name.values())

    async def run(
        self,
        call: HostCall,
        worker_id: WorkerId | None,
        answer: Callable[[object, float], T],
    ) -> T:
        """Runs a function and returns what `answer` makes of its value and its seconds.

        Raises:
            UsageError: there is no such function, or the call does not fit it.
            GivenUpError: the call that asked was ended meanwhile.
            BaseException: the function raised.
        """
        tool = self.find(call)
        check_arguments(tool, call.arguments, call.keywords)
        asking = None if worker_id is None else self._pool.call_in(worker_id, call.call_id)
        asked_by = () if asking is None else (*asking.on_behalf_of, asking.call_id)
        try:
            with anyio.CancelScope() as scope, _asked_for(asking, scope):
                if inspect.iscoroutinefunction(tool.function):
                    return await _timed_async(tool, call, answer, asked_by)
                if asking is not None and asking.is_cell:
                    await self._pool.catch_up(asking, call.shown)
                work = partial(_timed, tool, call, answer, asked_by)
                return await self._threads.run(asked_by, work)
        except (KeyboardInterrupt, SystemExit) as error:  # raised on, it would end the loop
            raise GivenUpError(f"host tool {call.tool_name!r}: {type(error).__name__}") from error
        raise GivenUpError(
            f"host tool {call.tool_name!r} was given up: the call that asked for it was ended.",
            correlation_id=call.correlation_id,
        )


def _timed(
    tool: LocalTool,
    call: HostCall,
    answer: Callable[[object, float], T],
    asked_by: tuple[CallId, ...],
) -> T:
    with _serving(call, asked_by):
        begun = time.monotonic()
        value = tool.function(*call.arguments, **call.keywords)
        return answer(value, time.monotonic() - begun)


async def _timed_async(
    tool: LocalTool,
    call: HostCall,
    answer: Callable[[object, float], T],
    asked_by: tuple[CallId, ...],
) -> T:
    with _serving(call, asked_by):
        begun = time.monotonic()
        value = await tool.function(*call.arguments, **call.keywords)
        return answer(value, time.monotonic() - begun)


@contextmanager
def _asked_for(asking: PendingCall | None, scope: anyio.CancelScope) -> Iterator[None]:
    """Ends the scope with the call that asks."""
    if asking is None:
        yield
        return
    asking.asks.add(scope)
    try:
        yield
    finally:
        asking.asks.discard(scope)


@contextmanager
def _serving(call: HostCall, asked_by: tuple[CallId, ...]) -> Iterator[None]:
    """Makes the code within the `with` belong to the call that asks."""
    label = belong_to(Label(call.correlation_id, "", call.session_id or ""))
    asked = _asked_by.set(asked_by)
    try:
        with within(call.traceparent):
            yield
    finally:
        _asked_by.reset(asked)
        belong_no_more(label)
