"""The one thread of this process on which every pool and every gRPC object lives."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from snakepit_nb.mailbox import Mailbox

T = TypeVar("T")

_opening = threading.Lock()
_opened: list["Portal"] = []


class Portal:
    """The way to that thread, from any other."""

    def __init__(self, blocking: BlockingPortal) -> None:
        self._blocking = blocking
        self._tasks: set[asyncio.Task[None] | None] = set()
        loop = self._loop = asyncio.get_running_loop()
        # In the context of this thread: the caller's may say that it runs trio.
        wake = partial(loop.call_soon_threadsafe, context=contextvars.copy_context())
        self._mailbox = Mailbox(wake)
        self._thread = threading.get_ident()

    @property
    def is_here(self) -> bool:
        """Whether this is that thread."""
        return threading.get_ident() == self._thread

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls a function there, which must not wait for anything, and returns its value."""
        if self.is_here:  # a callback of a future
            return function(*arguments)
        return self._blocking.call(function, *arguments)

    def open(self, scope: AbstractAsyncContextManager[T]) -> AbstractContextManager[T]:
        """Returns a context manager that enters and leaves an async one there."""
        return self._blocking.wrap_async_context_manager(scope)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Calls a function there, which must not raise, without waiting for that."""
        self._mailbox.post(callback)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Calls a function there, which must not raise, some time from now."""
        self.call_soon(partial(self._loop.call_later, seconds, callback))

    def call_at_turns_end(self, callback: Callable[[], object]) -> None:
        """Calls a function behind all that is ready to run now; for that thread itself."""
        self._loop.call_soon(callback)

    def start_here(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts work, which must not raise; for that thread itself."""
        self._loop.create_task(self._held(work))

    async def _held(self, work: Coroutine[Any, Any, None]) -> None:
        """Holds work until it ends, because the loop holds tasks weakly.

        A task group's callback would be another turn of the loop behind each call.
        """
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await work
        finally:
            self._tasks.discard(task)


def portal() -> Portal:
    """Returns the way to that thread; the first call starts it. It ends with the process."""
    if not _opened:
        with _opening:
            if not _opened:  # no other thread was faster
                _opened.append(_start())
    return _opened[0]


def _start() -> Portal:
    started: Future[Portal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as blocking:
            started.set_result(Portal(blocking))
            await blocking.sleep_until_stopped()

    # A daemon: an interpreter that exits must not wait for pools that nobody stopped.
    threading.Thread(
        target=anyio.run, args=(serve,), kwargs={"backend": "asyncio"}, name="snakepit", daemon=True
    ).start()
    return started.result()
