"""Work on the portal thread, for a thread or another event loop that waits for it."""

import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent import futures
from functools import partial
from queue import SimpleQueue
from typing import Generic, NoReturn, TypeVar

import anyio
import anyio.lowlevel

from snakepit_nb.mailbox import Mailbox

from .interrupts import interrupts_to
from .portal import portal

T = TypeVar("T")

PIECES_AHEAD = 256


class PortalTask(Generic[T]):
    """Runs `work` on the portal thread; calls `at_end` there when it has really ended."""

    def __init__(self, work: Callable[[], Awaitable[T]], at_end: Callable[[], object]) -> None:
        self.outcome: Callable[[], T] | None = None
        """Once it has ended: returns what the work returned, or raises what it raised."""
        self._work = work
        self._at_end = at_end
        self._started = portal().start_soon(self._run)

    def cancel(self) -> None:
        """Cancels the work, from any thread; it ends a while later."""
        self._started.cancel()

    def result(self) -> T:
        """Returns or raises what the work came to, once it has ended."""
        assert self.outcome is not None  # noqa: S101 (our own mistake)
        return self.outcome()

    async def _run(self) -> None:
        outcome: Callable[[], T] = partial(_raised, futures.CancelledError())
        try:
            outcome = partial(_returned, await self._work())
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            outcome = partial(_raised, error)
        finally:
            self.outcome = outcome
            self._at_end()


def wait(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` on the portal thread and waits for it.

    An interrupt cancels the work and waits for its end, so that the next call finds the worker
    free; a second one does not wait for that.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    ended: SimpleQueue[None] = SimpleQueue()
    task: PortalTask[T] | None = None
    is_interrupted = False

    def press() -> None:
        nonlocal is_interrupted
        if is_interrupted:
            raise KeyboardInterrupt
        is_interrupted = True
        if task is not None:
            task.cancel()

    with interrupts_to(press):
        task = PortalTask(work, partial(ended.put, None))
        if is_interrupted:  # while it was made
            task.cancel()
        ended.get()
    if is_interrupted:
        raise KeyboardInterrupt
    return task.result()


async def awaited(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` on the portal thread and awaits it here, on asyncio or trio.

    Cancelling cancels the work and waits for its end.
    """
    ended = anyio.Event()
    task = PortalTask(work, partial(_post, _mailbox_here(), ended.set))
    try:
        await ended.wait()
    except BaseException:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        raise
    return task.result()


def _returned(value: T) -> T:
    return value


def _raised(error: BaseException) -> NoReturn:
    raise error


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

    task = PortalTask(partial(work, put), bell.ring)
    try:
        while pieces or task.outcome is None:
            if pieces:
                yield pieces.popleft()
            else:
                await bell.rung()
        task.result()
    finally:
        task.cancel()
        with anyio.CancelScope(shield=True):
            while task.outcome is None:
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


def _post(mailbox: Mailbox, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # that loop has ended
        mailbox.post(callback)


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
