"""Work on the portal thread, for a thread or another event loop that waits for it."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent import futures
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar

import anyio
import anyio.lowlevel

from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CallId
from snakepit_nb.mailbox import Mailbox

from .errands import Errand, receiving
from .portal import portal

log = logging.getLogger(__name__)

T = TypeVar("T")

PIECES_AHEAD = 256


class PortalTask(Generic[T]):
    """Runs `work` on the portal thread; calls `at_end` there when it has really ended."""

    def __init__(self, work: Callable[[], Awaitable[T]], at_end: Callable[[], object]) -> None:
        self.has_ended = False
        self._work = work
        self._at_end = at_end
        self._value: T | None = None
        self._error: Exception | None = None
        self._scope: anyio.CancelScope | None = None
        self._has_begun = False
        self._is_cancelled = False

    def start(self) -> Self:
        """Lets it begin soon, from any thread; anyio's own portal would wait for that."""
        portal().call_soon(self._begin)
        return self

    def cancel(self) -> None:
        """Cancels the work, from any thread; it ends a while later.

        From the thread that called `start`, also where an interrupt kept that from its end.
        """
        portal().call_soon(self._cancel_here)

    def result(self) -> T:
        """Returns or raises what the work came to, once it has ended."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # a T where there is no error

    def _begin(self) -> None:
        if not self.has_ended:
            self._has_begun = True
            portal().start_here(self._run())

    def _cancel_here(self) -> None:
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()
        elif not self._has_begun and not self.has_ended:  # nor will it: `start` came to nothing
            self._error = futures.CancelledError()
            self._end()

    async def _run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                if self._is_cancelled:
                    self._scope.cancel()
                self._value = await self._work()
            if self._scope.cancelled_caught:
                self._error = futures.CancelledError()
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            self._error = error
        except BaseException:
            self._error = futures.CancelledError()
            raise
        finally:
            self._end()

    def _end(self) -> None:
        self.has_ended = True
        self._at_end()


def wait(work: Callable[[], Awaitable[T]], *, call_ids: Sequence[CallId] = ()) -> T:
    """Runs `work` on the portal thread and waits for it.

    What the calls of these ids ask of the notebook meanwhile runs here. An interrupt cancels the
    work and waits for its end, so that the next call finds the worker free; a second one does not
    wait for that.

    Raises:
        KeyboardInterrupt: it was interrupted.
        UsageError: the portal thread itself would wait, and for ever.
    """
    if portal().is_here:
        raise UsageError(
            "This waits on the thread that serves all pools. In an async host tool, write "
            "`await asyncio.to_thread(pool.call, ...)`."
        )
    posted: SimpleQueue[Errand[Any] | None] = SimpleQueue()
    task = PortalTask(work, partial(posted.put, None))
    with receiving(call_ids, posted.put):
        try:
            task.start()
            while (errand := posted.get()) is not None:
                errand.run()
        except BaseException:
            task.cancel()
            while not task.has_ended:
                _give_up(posted.get())
            raise
        finally:
            while not posted.empty():
                _give_up(posted.get())
    return task.result()


def _give_up(errand: "Errand[Any] | None") -> None:
    if errand is not None:
        errand.give_up()


def let_run(work: Callable[[], Awaitable[object]]) -> None:
    """Runs `work` on the portal thread, and nobody waits for it; what it raises is logged."""
    PortalTask(partial(_logged, work), lambda: None).start()


async def _logged(work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except Exception:
        log.exception("work that nobody waits for failed")


async def awaited(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` on the portal thread and awaits it here, on asyncio or trio.

    Cancelling cancels the work and waits for its end.
    """
    ended = anyio.Event()
    task = PortalTask(work, partial(_post_with_others, _mailbox_here(), ended.set)).start()
    try:
        await ended.wait()
    except BaseException:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        raise
    return task.result()


async def handed_over(
    work: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]],
) -> AsyncGenerator[T]:
    """Runs `work` on the portal thread and yields here what it puts, never far ahead.

    Closing it cancels the work and waits for its end.
    """
    bell = Bell()
    pieces: deque[T] = deque()

    async def put(piece: T) -> None:
        pieces.append(piece)
        bell.ring()
        while len(pieces) > PIECES_AHEAD:  # noqa: ASYNC110 (the reader is on another loop)
            await anyio.sleep(0.01)

    task = PortalTask(partial(work, put), bell.ring).start()
    try:
        while pieces or not task.has_ended:
            if pieces:
                yield pieces.popleft()
            else:
                await bell.rung()
        task.result()
    finally:
        task.cancel()
        with anyio.CancelScope(shield=True):
            while not task.has_ended:
                await bell.rung()


class Bell:
    """Wakes one task of the loop on which it was made, from any thread."""

    def __init__(self) -> None:
        self._mailbox = _mailbox_here()
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wakes it; rings that it has not heard yet count as one."""
        _post(self._mailbox, self._event.set)

    async def rung(self) -> None:
        """Waits for the next ring."""
        await self._event.wait()
        self._event = anyio.Event()


_ENDED_LOOP = contextlib.suppress(RuntimeError)


def _post(mailbox: Mailbox, callback: Callable[[], object]) -> None:
    with _ENDED_LOOP:
        mailbox.post(callback)


def _post_with_others(mailbox: Mailbox, callback: Callable[[], object]) -> None:
    """As `_post`, for the portal thread: all that ends in one turn there wakes the loop once.

    Woken for the first of them, its thread would compete with the portal's for the interpreter's
    lock; with 64 calls in flight that costs a tenth of their number.
    """
    mailbox.post_with_others(callback, _at_turns_end)


def _at_turns_end(wake: Callable[[], None]) -> None:
    portal().call_at_turns_end(partial(_quietly, wake))


def _quietly(wake: Callable[[], None]) -> None:
    with _ENDED_LOOP:
        wake()


_here = threading.local()


def _mailbox_here() -> Mailbox:
    """Returns the way to the loop that runs here; the same for all tasks of one loop."""
    loop = anyio.lowlevel.current_token().native_token
    if getattr(_here, "loop", None) is not loop:
        names = ("call_soon_threadsafe", "run_sync_soon")  # of asyncio's loop, of trio's token
        method = next(getattr(loop, name) for name in names if hasattr(loop, name))
        _here.loop, _here.mailbox = loop, Mailbox(method)
    mailbox: Mailbox = _here.mailbox
    return mailbox
