"""The worker's main thread, where user code runs, and the way to it from the serving thread.

The main thread runs one asyncio loop for the worker's whole life. A call is a coroutine on it;
plain user code blocks the loop while it runs, as it does in a kernel. SIGINT interrupts the call
that runs and nothing else: it raises KeyboardInterrupt in plain code and cancels code that awaits.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Generic, TypeVar

import anyio

from snakepit_nb.identifiers import CallId

T = TypeVar("T")


@dataclass(slots=True)
class Running(Generic[T]):
    """A call on the main thread, and what it comes to: a value, or the exception that it raised."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    value: T | None = None
    error: BaseException | None = None

    def result(self) -> T:
        """Returns the value, or raises the exception, of a call that has ended."""
        if isinstance(self.error, Exception):
            raise self.error
        if self.error is not None:
            # Raised as it is, it would end the serving loop.
            raise CallEndedError(type(self.error).__name__) from self.error
        return self.value  # type: ignore[return-value]  # a T where there is no error


class CallEndedError(Exception):
    """A call ended by KeyboardInterrupt, SystemExit or a cancellation: see `__cause__`."""


class MainThread:
    """Made and served on the main thread; `run` and `interrupt` are for the other one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = anyio.Lock()  # of the serving thread's loop: one call at a time
        self._call: CallId | None = None
        self._unwanted: set[CallId] = set()  # interrupted, perhaps before they began
        self._task: asyncio.Task[None] | None = None
        self._begun: asyncio.Task[None] | None = None  # held, because the loop holds tasks weakly
        self._ended: dict[CallId, anyio.Event] = {}
        self._shields = 0
        self._pending = False
        self._interrupted = False
        self._stopping = False

    def serve(self) -> None:
        """Runs calls until `stop`."""
        asyncio.set_event_loop(self._loop)
        signal.signal(signal.SIGINT, self._on_sigint)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while not self._stopping:
            try:
                self._loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                continue  # user code's own, out of a task or callback that outlived its call
        self._loop.close()

    def stop(self) -> None:
        """Ends `serve`, from any thread."""
        self._stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)

    def attach(self) -> None:
        """Makes the running loop the serving one; called there before the first `run`."""
        self._serving_loop = asyncio.get_running_loop()

    def call_serving(self, callback: Callable[[], object]) -> None:
        """Calls back on the serving thread's loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody is there to be told
            self._serving_loop.call_soon_threadsafe(callback)

    async def run(self, call_id: CallId, work: Callable[[], Awaitable[T]]) -> T:
        """Runs a call on the main thread; cancelling interrupts it and waits for its end."""
        async with self.running(call_id, work) as running:
            await running.ended.wait()
        return running.result()

    @asynccontextmanager
    async def running(
        self,
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        at_end: Callable[[], object] = lambda: None,
    ) -> AsyncIterator["Running[T]"]:
        """Runs a call on the main thread while the `with` lasts, which itself lasts until its end.

        Leaving by an exception interrupts it. `at_end` is called here when the call has ended.
        """
        over = self._ended[call_id] = anyio.Event()
        try:
            async with self._turn:
                running = self._begin(call_id, work, at_end)
                try:
                    yield running
                except BaseException:
                    self.interrupt(call_id)
                    raise
                finally:
                    with anyio.CancelScope(shield=True):
                        await running.ended.wait()
        finally:
            over.set()
            del self._ended[call_id]
            self._unwanted.discard(call_id)

    async def wait_ended(self, call_id: CallId) -> None:
        """Returns when no call of this id runs or waits here."""
        if call_id in self._ended:
            await self._ended[call_id].wait()

    def interrupt(self, call_id: CallId) -> None:
        """Interrupts a call and the children that it waits for; one that has not begun never runs.

        The next call is started from this thread too, so it cannot be the one that is hit.
        """
        if call_id not in self._ended:
            return
        self._unwanted.add(call_id)  # before the look, for a call that begins right now
        if self._call != call_id:
            return
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    @property
    def was_interrupted(self) -> bool:
        """Tells whether the running call has been interrupted."""
        return self._interrupted

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Holds an interrupt back while the main thread does what must not be left half done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self._pending and not self._shields:
                self._pending = False
                self._raise_or_cancel()

    def _begin(
        self, call_id: CallId, work: Callable[[], Awaitable[T]], at_end: Callable[[], object]
    ) -> "Running[T]":
        running: Running[T] = Running()

        async def run() -> None:
            try:
                await self._run_here(call_id, work, running)
            finally:
                self.call_serving(end)

        def end() -> None:
            running.ended.set()
            at_end()

        def start() -> None:
            self._begun = self._loop.create_task(run())

        self._loop.call_soon_threadsafe(start)
        return running

    async def _run_here(
        self, call_id: CallId, work: Callable[[], Awaitable[T]], running: "Running[T]"
    ) -> None:
        self._task = asyncio.current_task()
        self._interrupted = self._pending = False
        try:
            try:
                self._call = call_id
                if call_id in self._unwanted:
                    raise KeyboardInterrupt  # as if it came a moment later
                running.value = await work()
            finally:
                self._call = None  # an interrupt that came until now is caught below
        except asyncio.CancelledError as cancelled:
            running.error = KeyboardInterrupt() if self._interrupted else cancelled
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            running.error = error
        finally:
            self._call = self._task = None

    def _on_sigint(self, _signal: int, _frame: FrameType | None) -> None:
        if self._call is None:
            return  # idle workers are left alone
        self._interrupted = True
        if self._shields:
            self._pending = True
        else:
            self._raise_or_cancel()

    def _raise_or_cancel(self) -> None:
        running = asyncio.current_task(self._loop)
        if running is not self._task and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        if running is not None:
            raise KeyboardInterrupt
