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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Generic, TypeVar

import anyio

from snakepit_nb.identifiers import CallId

T = TypeVar("T")


@dataclass(slots=True)
class _Outcome(Generic[T]):
    """What a call came to: a value, or the exception that it raised."""

    value: T | None = None
    error: BaseException | None = None

    def unwrap(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a T where there is no error


class MainThread:
    """Made and served on the main thread; `run` and `interrupt` are for the other one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = anyio.Lock()  # of the serving thread's loop: one call at a time
        self._guard = threading.Lock()
        self._call: CallId | None = None
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
        ended = self._ended[call_id] = anyio.Event()
        try:
            async with self._turn:
                return await self._run_there(call_id, work)
        finally:
            ended.set()
            del self._ended[call_id]

    async def wait_ended(self, call_id: CallId) -> None:
        """Returns when no call of this id runs or waits here."""
        if call_id in self._ended:
            await self._ended[call_id].wait()

    def interrupt(self, call_id: CallId) -> None:
        """Interrupts the call if it is the one that runs, and the children that it waits for."""
        with self._guard:
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

    async def _run_there(self, call_id: CallId, work: Callable[[], Awaitable[T]]) -> T:
        ended = anyio.Event()
        outcome: _Outcome[T] = _Outcome()

        async def begin() -> None:
            await self._run_here(call_id, work, outcome)
            self.call_serving(ended.set)

        def start() -> None:
            self._begun = self._loop.create_task(begin())

        self._loop.call_soon_threadsafe(start)
        try:
            await ended.wait()
        except BaseException:
            self.interrupt(call_id)
            with anyio.CancelScope(shield=True):
                await ended.wait()
            raise
        return outcome.unwrap()

    async def _run_here(
        self, call_id: CallId, work: Callable[[], Awaitable[T]], outcome: _Outcome[T]
    ) -> None:
        try:
            self._task = asyncio.current_task()
            self._interrupted = False
            with self._guard:
                self._call = call_id
            outcome.value = await work()
        except asyncio.CancelledError as cancelled:
            outcome.error = KeyboardInterrupt() if self._interrupted else cancelled
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            outcome.error = error
        finally:
            with self._guard:
                self._call = None
            self._pending = False
            self._task = None

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
