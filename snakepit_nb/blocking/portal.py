"""The one thread of this process on which every pool and every gRPC object lives."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.from_thread import BlockingPortal

from snakepit_nb.mailbox import Mailbox

log = logging.getLogger(__name__)

T = TypeVar("T")

_opening = threading.Lock()
_opened: list["Portal"] = []


class Portal:
    """The way to that thread, from any other."""

    def __init__(self, blocking: BlockingPortal, tasks: TaskGroup) -> None:
        self._blocking = blocking
        self._tasks = tasks
        loop = asyncio.get_running_loop()
        # In the context of this thread: the caller's may say that it runs trio.
        wake = partial(loop.call_soon_threadsafe, context=contextvars.copy_context())
        self._mailbox = Mailbox(wake)
        self._thread = threading.get_ident()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls a function there, which must not wait for anything, and returns its value."""
        if threading.get_ident() == self._thread:  # a callback of a future
            return function(*arguments)
        return self._blocking.call(function, *arguments)

    def open(self, scope: AbstractAsyncContextManager[T]) -> AbstractContextManager[T]:
        """Returns a context manager that enters and leaves an async one there."""
        return self._blocking.wrap_async_context_manager(scope)

    def start_soon(self, work: Callable[[], Awaitable[object]]) -> "PortalWork":
        """Starts work there, and unlike anyio's own portal does not wait for its start."""
        started = PortalWork(work, self.call_soon)
        self.call_soon(partial(self._tasks.start_soon, started.run))
        return started

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Calls a function there, which must not raise, without waiting for that."""
        self._mailbox.post(callback)


class PortalWork:
    """Work on the portal thread, which tells by itself what it comes to."""

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        call_soon: Callable[[Callable[[], object]], None],
    ) -> None:
        self._work = work
        self._call_soon = call_soon
        self._scope: anyio.CancelScope | None = None
        self._is_cancelled = False

    async def run(self) -> None:
        """Runs it; called by the portal."""
        with anyio.CancelScope() as self._scope:
            if self._is_cancelled:
                self._scope.cancel()
            try:
                await self._work()
            except Exception:
                log.exception("work that nobody waits for failed")  # the portal goes on

    def cancel(self) -> None:
        """Cancels it, from any thread, also before it has begun; it ends a while later."""
        self._call_soon(self._cancel_here)

    def _cancel_here(self) -> None:
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()


def portal() -> Portal:
    """Returns the way to that thread; the first call starts it. It ends with the process."""
    with _opening:
        if not _opened:
            _opened.append(_start())
        return _opened[0]


def _start() -> Portal:
    started: Future[Portal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as blocking, anyio.create_task_group() as tasks:
            started.set_result(Portal(blocking, tasks))
            await blocking.sleep_until_stopped()

    # A daemon: an interpreter that exits must not wait for pools that nobody stopped.
    threading.Thread(
        target=anyio.run, args=(serve,), kwargs={"backend": "asyncio"}, name="snakepit", daemon=True
    ).start()
    return started.result()
