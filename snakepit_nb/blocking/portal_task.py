"""Work on the portal thread, for a thread or another event loop that waits for it."""

import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent import futures
from functools import partial
from typing import Generic, NoReturn, TypeVar

import anyio
import anyio.lowlevel

from snakepit_nb.mailbox import Mailbox

from .interrupts import interrupts_to
from .portal import portal

T = TypeVar("T")

PIECES_AHEAD = 256


class PortalTask(Generic[T]):
    """Runs `work` on the portal thread; `ended` is done when it has really ended."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self.ended: futures.Future[T] = futures.Future()
        self._started = portal().start_soon(partial(self._run, work))

    def cancel(self) -> None:
        """Cancels the work, from any thread; it ends a while later."""
        self._started.cancel()

    async def _run(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            result = await work()
        except anyio.get_cancelled_exc_class():
            self.ended.cancel()
            self.ended.set_running_or_notify_cancel()
            raise
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            self.ended.set_exception(error)
        else:
            self.ended.set_result(result)


def wait(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` on the portal thread and waits for it.

    An interrupt cancels the work and waits for its end, so that the next call finds the worker
    free; a second one does not wait for that.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
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
        task = PortalTask(work)
        if is_interrupted:  # while it was made
            task.cancel()
        futures.wait([task.ended])
    if is_interrupted:
        raise KeyboardInterrupt
    return task.ended.result()


async def awaited(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` on the portal thread and awaits it here, on asyncio or trio.

    Cancelling cancels the work and waits for its end.
    """
    ended = anyio.Event()
    mailbox = _mailbox_here()
    outcome: Callable[[], T] = partial(_raised, futures.CancelledError())

    async def run() -> None:
        nonlocal outcome
        try:
            outcome = partial(_returned, await work())
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            outcome = partial(_raised, error)
        finally:
            with contextlib.suppress(RuntimeError):  # that loop has ended
                mailbox.post(ended.set)

    started = portal().start_soon(run)
    try:
        await ended.wait()
    except BaseException:
        started.cancel()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        raise
    return outcome()


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

    task = PortalTask(partial(work, put))
    task.ended.add_done_callback(lambda _: bell.ring())
    try:
        while pieces or not task.ended.done():
            if pieces:
                yield pieces.popleft()
            else:
                await bell.rung()
        task.ended.result()
    finally:
        await _cancelled(task, bell)


async def _cancelled(task: PortalTask[T], bell: "Bell") -> None:
    task.cancel()
    with anyio.CancelScope(shield=True):
        while not task.ended.done():
            await bell.rung()


class Bell:
    """Wakes one task of the loop on which it was made, from any thread."""

    def __init__(self) -> None:
        self._mailbox = _mailbox_here()
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wakes it; rings that it has not heard yet count as one."""
        with contextlib.suppress(RuntimeError):  # that loop has ended
            self._mailbox.post(self._event.set)

    async def rung(self) -> None:
        """Waits for the next ring."""
        await self._event.wait()
        self._event = anyio.Event()


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
