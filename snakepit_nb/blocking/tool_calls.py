"""Tools, called and streamed from code that blocks: on a pool, or on a lease of a worker."""

from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import partial
from threading import Event
from typing import Any, Protocol

from snakepit_nb.calls import CallPlace, ToolCall, ToolChunk, ToolResult
from snakepit_nb.identifiers import CallId
from snakepit_nb.settings import Affinity, PoolSettings

from .new_call import new_tool_call
from .options import chosen
from .portal_task import wait
from .stream_view import shown_chunks
from .tool_stream import ToolStream


class ToolRunner(Protocol):
    """What runs them, on the portal thread."""

    async def call(self, call: ToolCall, *, timeout: float | None) -> ToolResult:
        """Runs a tool."""

    async def stream(
        self,
        call: ToolCall,
        put: Callable[[ToolChunk], Awaitable[None]],
        *,
        timeout: float | None,
    ) -> None:
        """Runs a streaming tool."""

    def place_of(self, call_id: CallId) -> CallPlace | None:
        """Tells, in any thread, where a call is."""


class Caller:
    """Whoever has a pool's settings, and what runs its calls."""

    settings: PoolSettings
    _runner: ToolRunner

    def _new_call(
        self, tool: str, arguments: Mapping[str, object], session: str | None, affinity: str | None
    ) -> ToolCall:
        firmness = self.settings.affinity
        if affinity is not None:
            firmness = chosen("affinity", affinity, Affinity)
        return new_tool_call(self.settings, tool, arguments, session, firmness)


class ToolCalls(Caller):
    """Calls that block."""

    def call(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        affinity: str | None = None,
        **more: object,
    ) -> Any:
        """Runs a tool and returns its value.

        Args:
            tool: The tool's name.
            arguments: Arguments by name, for names that the keywords here take.
            timeout: Seconds that all of it may take; by default the pool's `call_timeout`.
            session: Prefers the worker that served this session last.
            affinity: How firmly it is tied to that: `hint`, `strict_queue` or `strict_fail_fast`;
                by default as the pool was started.
            more: Arguments by name. A `correlation_id` among them names the call and is taken out.

        Raises:
            ToolError: the tool raised; also of the builtin type that it raised.
            SnakepitError: the call was not run, or not to its end.
        """
        call = self._new_call(tool, {**(arguments or {}), **more}, session, affinity)
        limit = self.settings.call_timeout if timeout == -1.0 else timeout
        work = partial(self._runner.call, call, timeout=limit)
        return wait(work, call_ids=[call.call_id]).value

    def stream(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        affinity: str | None = None,
        show: bool = False,
        **more: object,
    ) -> Generator[Any]:
        """Runs a streaming tool; yields its items as they come. Closing it cancels the tool.

        Args and Raises: as `call`; by default it may run for the pool's `stream_timeout`. With
        `show` a view shows it meanwhile, whose Cancel button ends it with CallCancelledError; where
        there is no front end, plain lines do.
        """
        stream = self.open_stream(
            tool, arguments, timeout=timeout, session=session, affinity=affinity, **more
        )
        for chunk in shown_chunks(stream, Event()) if show else stream:
            if not chunk.is_final:
                yield chunk.data

    def open_stream(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        affinity: str | None = None,
        **more: object,
    ) -> ToolStream:
        """As `stream`, but yields whole chunks, and can be cancelled from another thread."""
        call = self._new_call(tool, {**(arguments or {}), **more}, session, affinity)
        limit = self.settings.stream_timeout if timeout == -1.0 else timeout
        work = partial(self._runner.stream, call, timeout=limit)
        return ToolStream(call, work, partial(self._runner.place_of, call.call_id))
