"""The handle of one pool, for code that blocks."""

import sys
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, Self, assert_never

from snakepit_nb.calls import (
    CellCall,
    CellError,
    CellEvent,
    CellReply,
    ClearOutput,
    Display,
    ExecuteResult,
    StreamText,
    ToolCall,
    ToolChunk,
    ToolSpec,
)
from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.pool import pool as portal_side
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import Affinity, PoolSettings

from .cell_run import run_cell
from .delivery import Delivery
from .new_call import chosen_correlation_id, new_call_id, new_tool_call
from .opening import open_process_pool
from .portal import portal
from .portal_task import wait
from .session import Session


class Pool:
    """A running pool. Made by `start`; ends by `stop`, or at the end of a `with`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._scope: AbstractContextManager[portal_side.Pool] | None = None
        self._scope = portal().open(open_process_pool(settings))
        self._pool = self._scope.__enter__()

    def __repr__(self) -> str:
        return repr(self._pool) if self.is_running else f"<Pool {self.name!r} stopped>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.stop(now=error is not None)

    @property
    def name(self) -> str:
        """The pool's name."""
        return self.settings.name

    @property
    def is_running(self) -> bool:
        """Tells whether it takes calls."""
        return self._scope is not None

    @property
    def tools(self) -> dict[str, ToolSpec]:
        """What its workers offer, by name."""
        return {spec.name: spec for spec in portal().call(lambda: self._pool.tools)}

    def wait_ready(self) -> None:
        """Returns when each worker serves or has failed to start.

        Raises:
            WorkerStartError: none serves.
        """
        wait(self._pool.wait_ready)

    def wait_serving(self) -> None:
        """Returns when the first worker serves.

        Raises:
            WorkerStartError: none does.
        """
        wait(self._pool.wait_serving)

    def call(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        **more: object,
    ) -> Any:
        """Runs a tool and returns its value.

        Args:
            tool: The tool's name.
            arguments: Arguments by name, for names that the keywords here take.
            timeout: Seconds that it may run; by default the pool's `call_timeout`.
            session: Prefers the worker that served this session last.
            more: Arguments by name. A `correlation_id` among them names the call and is taken out.

        Raises:
            ToolError: the tool raised; also of the builtin type that it raised.
            SnakepitError: the call was not run, or not to its end.
        """
        call = new_tool_call(tool, {**(arguments or {}), **more}, session)
        limit = self.settings.call_timeout if timeout == -1.0 else timeout
        return wait(partial(self._pool.call, call, timeout=limit)).value

    def stream(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        **more: object,
    ) -> Generator[Any]:
        """Runs a streaming tool; yields its items as they come. Closing it cancels the tool.

        Args and Raises: as `call`; by default it may run for the pool's `stream_timeout`.
        """
        for chunk in self.open_stream(tool, arguments, timeout=timeout, session=session, **more):
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
        **more: object,
    ) -> "ToolStream":
        """As `stream`, but yields whole chunks, and can be cancelled from another thread."""
        call = new_tool_call(tool, {**(arguments or {}), **more}, session)
        limit = self.settings.stream_timeout if timeout == -1.0 else timeout
        return ToolStream(call, partial(self._pool.stream, call, timeout=limit))

    def session(self, name: str) -> Session:
        """Returns a session of its own variables, which its first call creates."""
        return Session(name, self)

    def run_cell(
        self,
        code: str,
        *,
        session: str | None,
        show: Callable[[CellEvent], None] | None = None,
        timeout: float | None = None,
        correlation_id: str | None = None,
        **details: Any,
    ) -> CellReply:
        """Runs a cell in a session's worker; `show` gets what it shows, by default it is printed.

        Without a session it runs on any worker, with variables of its own that are gone after it.

        Raises:
            SnakepitError: the cell did not run, or not to its end. An error of the code itself is
                in the reply.
        """
        cell = CellCall(
            call_id=new_call_id(),
            correlation_id=chosen_correlation_id(correlation_id),
            session_id=None if session is None else SessionId(session),
            code=code,
            affinity=Affinity.HINT if session is None else Affinity.STRICT_QUEUE,
            **details,
        )
        return run_cell(self._pool, cell, show or print_event, timeout=timeout)

    def end_session(self, name: str) -> None:
        """Lets a session go, with its variables, once its worker has finished what it runs."""
        wait(partial(self._pool.end_session, SessionId(name)))

    def resize(self, workers: int) -> None:
        """Starts workers, and waits for them, or lets surplus ones finish, until there are so many.

        Raises:
            UsageError: fewer than one.
        """
        if workers < 1:
            raise UsageError(f"{workers} workers: a pool needs at least 1. To end it: stop().")
        portal().call(self._pool.resize, workers)
        self.wait_ready()

    def restart(self, worker: str | None = None, *, now: bool = False) -> None:
        """Puts new workers in the place of all, or of one, and waits until they serve.

        The old ones take no more calls, finish those that they run (`now`: they are killed), and
        end. Sessions that live there are lost, and told so at their next call.

        Raises:
            UsageError: there is no such worker.
        """
        names = [status.worker_id for status in self.status().workers if status.state != "draining"]
        if worker is not None and worker not in names:
            raise UsageError(
                f"Pool {self.name!r} has no worker {worker!r}: {nearest(worker, names)}"
            )
        for name in names if worker is None else [WorkerId(worker)]:
            if now:
                wait(partial(self._pool.kill_worker, name, "it was restarted"))
            else:
                portal().call(self._pool.retire, name)
        self.wait_ready()

    def cancel(self, wanted: str | None = None, *, kill: bool = False) -> int:
        """Ends the calls of a correlation id or call id, or all, and waits until none runs.

        What waits is taken out of the queue; what runs is interrupted, and where it does not stop
        within the grace time its worker is killed (`kill`: at once).

        Returns: how many there were.
        """
        status = self.status()
        calls = [*status.queued, *(call for worker in status.workers for call in worker.calls)]
        return sum(
            wait(partial(self._pool.cancel, call.call_id, kill=kill))
            for call in calls
            if wanted in (None, call.correlation_id, call.call_id)
        )

    def status(self) -> PoolSnapshot:
        """Returns what the pool looks like now."""
        return portal().call(self._pool.snapshot)

    def stop(self, *, now: bool = False) -> None:
        """Lets all calls finish (`now`: ends them), then ends all workers. Twice is harmless."""
        if self._scope is None:
            return
        if not now:
            wait(self._pool.wait_idle)
        scope, self._scope = self._scope, None
        scope.__exit__(None, None, None)


class ToolStream:
    """A streaming tool's chunks as they come. Leaving it, or `cancel`, cancels the tool."""

    def __init__(
        self,
        call: ToolCall,
        work: Callable[[Callable[[ToolChunk], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        self.correlation_id = call.correlation_id
        self._delivery: Delivery[ToolChunk, None] = Delivery(work)

    def __iter__(self) -> Iterator[ToolChunk]:
        try:
            yield from self._delivery
        except BaseException:
            self.cancel()
            raise
        self._delivery.result  # noqa: B018 (it raises what ended the stream)

    def cancel(self) -> None:
        """Cancels the tool, from any thread; the iteration then ends with KeyboardInterrupt."""
        self._delivery.cancel()


def print_event(event: CellEvent) -> None:
    """Shows a cell's output where there is no notebook: text, and the plain form of displays."""
    match event:
        case StreamText():
            stream = sys.stderr if event.name == "stderr" else sys.stdout
            stream.write(event.text)
            stream.flush()
        case Display() | ExecuteResult():
            print(event.data.get("text/plain", ""))
        case CellError():
            print("\n".join(event.traceback), file=sys.stderr)
        case ClearOutput():
            pass  # what is printed stays
        case _:
            assert_never(event)
