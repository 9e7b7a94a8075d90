"""Functions of the notebook, run for workers in the thread that waits for the call that asks.

So they are in the cell that called: what they print is its output, and an interrupt hits them. A
call that no thread waits for gets a thread of its own for them.
"""

import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Generic, TypeAlias, TypeVar

import anyio

from snakepit_nb.bridge.host_calls import GivenUpError
from snakepit_nb.identifiers import CallId

from .portal import portal

T = TypeVar("T")

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

SIGNAL_SECONDS = 1.0
AGAIN_SECONDS = 0.05

_receivers: dict[CallId, Callable[["Errand[Any]"], object]] = {}
_contexts: dict[CallId, contextvars.Context] = {}


class receiving:  # noqa: N801 (used as a function; a generator would cost each call more)
    """Lets a thread get what calls ask for while it waits for them; it runs what it is given."""

    __slots__ = ("_call_ids", "_post")

    def __init__(self, call_ids: Sequence[CallId], post: Callable[["Errand[Any]"], object]) -> None:
        self._call_ids = call_ids
        self._post = post

    def __enter__(self) -> None:
        for call_id in self._call_ids:
            _receivers[call_id] = self._post

    def __exit__(self, *_: object) -> None:
        for call_id in self._call_ids:
            del _receivers[call_id]


def remember_context(call_ids: Sequence[CallId]) -> Callable[[], None]:
    """Keeps what surrounds the running code for what calls ask for that no thread waits for.

    Returns: what forgets it.
    """
    _contexts.update(dict.fromkeys(call_ids, contextvars.copy_context()))

    def forget() -> None:
        for call_id in call_ids:
            _contexts.pop(call_id, None)

    return forget


class WaitingThreads:
    """Finds the thread for a function; for the portal's thread."""

    async def run(self, asked_by: tuple[CallId, ...], work: Callable[[], T]) -> T:
        """Runs a function in the thread that waits for the last of these calls, or in another.

        Cancelling interrupts it on the main thread, and elsewhere leaves it to itself.
        """
        asking = asked_by[-1] if asked_by else None
        post = None if asking is None else _receivers.get(asking)
        if post is None:
            context = None if asking is None else _contexts.get(asking)
            if context is not None:
                work = partial(context.copy().run, work)
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        errand = Errand(work)
        post(errand)
        return await errand.outcome()


class Errand(Generic[T]):
    """One function on its way to a thread, and its value on the way back."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = anyio.Event()
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None  # that runs it
        self._is_over = False
        self._is_given_up = False
        self._sent = self._heard = 0  # signals
        self._others_know = False
        self._value: T | None = None
        self._error: BaseException | None = None

    async def outcome(self) -> T:
        """Waits for the value, or raises what the function raised; for the portal's thread."""
        try:
            await self._done.wait()
        except BaseException:
            self.give_up()
            raise
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # a T where there is no error

    def run(self) -> None:
        """Runs the function here.

        Raises:
            KeyboardInterrupt: it was interrupted, and nobody else was told so.
        """
        with self._changing:
            if self._is_given_up:
                return
            self._thread = threading.current_thread()
        try:
            with self._interruptible():
                self._run()
        finally:
            portal().call_soon(self._done.set)

    def give_up(self) -> None:
        """Interrupts it, if it runs on the main thread; what has not begun never does."""
        with self._changing:
            if self._is_given_up or self._is_over:
                return
            self._is_given_up = True
            if self._thread is None:
                self._error = GivenUpError("The call that asked for a host tool has ended.")
                portal().call_soon(self._done.set)
            elif self._thread is threading.main_thread():
                portal().call_soon(lambda: portal().start_here(self._insist()))

    async def _insist(self) -> None:
        """Sends the signal until it is heard: not one that comes right before a wait begins."""
        while not self._heard:
            with self._changing:
                if self._is_over:
                    return
                self._sent += 1
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await anyio.sleep(AGAIN_SECONDS)

    def _run(self) -> None:
        try:
            try:
                self._value = self._work()
            finally:
                self._is_over = True
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            self._error = error

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Lets an interrupt raise KeyboardInterrupt in the function, whoever else hears it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, partial(self._interrupt, before))
        try:
            yield
            self._await_signal()
        finally:
            signal.signal(signal.SIGINT, before)
        if isinstance(self._error, KeyboardInterrupt) and not self._others_know:
            raise self._error

    def _interrupt(self, before: Handler, number: int, frame: FrameType | None) -> None:
        self._heard += 1
        if not self._is_given_up and callable(before):
            before(number, frame)  # it may raise itself; then nobody else knows
        self._others_know = True
        if not self._is_over:
            raise KeyboardInterrupt

    def _await_signal(self) -> None:
        """Lets the signals come that are under way, lest one hits what runs next."""
        with self._changing:  # none is sent any more
            sent = self._sent
        limit = time.monotonic() + SIGNAL_SECONDS
        while self._heard < sent and time.monotonic() < limit:
            time.sleep(0.001)
