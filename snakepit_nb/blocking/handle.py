"""The handle of one pool, for code that blocks."""

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from snakepit_nb.calls import CellCall, CellEvent, CellReply, ToolSpec
from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import Affinity, PoolSettings

from .call_future import CallFuture
from .cell_run import run_cell
from .feed import Feed, open_fed_pool
from .function_calls import chunk_submitter, submit_function
from .mapping import map_in_order
from .new_call import chosen_correlation_id, new_call_id, new_tool_call
from .portal import portal
from .portal_task import wait
from .printing import print_event
from .session import Session
from .tool_stream import ToolStream

P = ParamSpec("P")
T = TypeVar("T")


class Pool(Executor):
    """A running pool. Made by `start`; ends by `stop`, or at the end of a `with`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._closing = threading.Lock()
        self._scope: AbstractContextManager[Feed] | None = None
        self._scope = portal().open(open_fed_pool(settings))
        self._feed = self._scope.__enter__()
        self._pool = self._feed.pool

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

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CallFuture[T]:
        """Lets a function run in a worker, and returns its future, which can also be awaited.

        It never blocks: what exceeds the pool waits here, without bound or timeout. The function
        travels by cloudpickle; a coroutine function is awaited there.

        Raises:
            UsageError: the function or an argument cannot be pickled; the message names which.
            PoolClosedError: the pool takes no more. It is a RuntimeError too.
        """
        return submit_function(self._feed, fn, args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        progress: bool = False,
    ) -> Generator[T]:
        """Runs a function in workers for each of the items; yields its values in order.

        It begins at once and stays at most 1,000 chunks ahead of what was consumed, so iterables
        may be endless. An error is raised at its place in the order. Closing cancels the rest.

        Args:
            fn: The function; it travels by cloudpickle.
            iterables: Of one argument each.
            timeout: Seconds from now, after which waiting for a value raises TimeoutError.
            chunksize: How many items travel together.
            progress: Shows a bar of tqdm, which counts items.

        Raises: as `submit`.
        """
        return map_in_order(
            chunk_submitter(self._feed, fn),
            iterables,
            timeout=timeout,
            chunksize=chunksize,
            progress=progress,
        )

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
        portal().call(self._feed.resize, workers)
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
        if self.is_running and not now:
            wait(self._feed.wait_idle)
            wait(self._pool.wait_idle)
        with self._closing:  # whoever comes second returns when it has ended
            if self._scope is not None:
                scope, self._scope = self._scope, None
                scope.__exit__(None, None, None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 (every Executor's)
        """Takes no more functions, lets all calls finish, then ends all workers.

        Args:
            wait: Returns only then. Else the pool ends by itself, and the process not before it.
            cancel_futures: Cancels the functions that no worker has begun.
        """
        if self.is_running:
            self._feed.refuse("is shut down. Start it again: %snakepit start.")
        if cancel_futures:
            portal().call(self._feed.cancel_waiting)
        if wait:
            self.stop()
        else:
            threading.Thread(target=self.stop, name="snakepit shutdown").start()
