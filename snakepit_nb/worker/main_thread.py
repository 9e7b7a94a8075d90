"""The worker's main thread as the one place where user code runs, one call at a time.

It runs one asyncio loop for the worker's whole life. SIGINT interrupts the call that runs and
nothing else: it raises KeyboardInterrupt in plain code and cancels code that awaits.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.settings import Profile

from .lane import Lane
from .runner import Runner
from .running import Running, Where

FIRST_AGAIN_SECONDS = 0.05
LONGEST_AGAIN_SECONDS = 1.0


class MainThread(Runner):
    """Runs one call at a time, wherever that wants to run."""

    profile = Profile.PROCESS

    def __init__(self) -> None:
        super().__init__()
        self._one_at_a_time = asyncio.Lock()  # of the serving thread
        self._call: CallId | None = None
        self._beside: CallId | None = None
        self._task: asyncio.Task[None] | None = None
        self._shields = 0
        self._pending = False
        self._interrupted = False
        self._heard = 0  # signals, also those that meant nothing

    def interrupt(self, call_id: CallId) -> None:
        """Interrupts a call and the children that it waits for; one that has not begun never runs.

        The next call is started from this thread too, so it cannot be the one that is hit.
        """
        self.note_interrupt(call_id)  # before the look, for one that begins right now
        if call_id not in (self._call, self._beside):
            return
        heard = self._heard
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGINT)
        self.later(FIRST_AGAIN_SECONDS, partial(self._insist, call_id, heard, FIRST_AGAIN_SECONDS))

    def _insist(self, call_id: CallId, heard: int, seconds: float) -> None:
        """Sends the signal again where the main thread has not heard it.

        One that comes between Python's last look for signals and a call of the system's that waits
        is not heard before that ends: the loop's next event, or the end of a sleep.
        """
        if self._heard != heard or call_id not in (self._call, self._beside):
            return
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        seconds = min(2 * seconds, LONGEST_AGAIN_SECONDS)
        self.later(seconds, partial(self._insist, call_id, heard, seconds))

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

    def lane_of(self, session_id: SessionId | None) -> Lane:  # noqa: ARG002 (there is one)
        """Returns the main thread."""
        return self._main

    @contextmanager
    def beside(self, call_id: CallId) -> Iterator[None]:
        """Lets an interrupt hit this code, and not the cell that awaits meanwhile."""
        before = (self._interrupted, self._pending)
        self._interrupted = self._pending = False
        if self._call is None:
            self.heed_interrupts()
        self._beside = call_id
        try:
            yield
        finally:
            self._beside = None
            self._interrupted, self._pending = before

    async def end_session(self, session_id: SessionId) -> None:
        """Does nothing: sessions have no threads of their own here."""

    async def take(self, where: Where) -> Lane:  # noqa: ARG002 (there is no choice)
        """Waits until no other call runs."""
        await self._one_at_a_time.acquire()
        return self._main

    def give_back(self, where: Where, lane: Lane) -> None:  # noqa: ARG002 (there is one)
        """Lets the next call run."""
        self._one_at_a_time.release()

    async def run_here(self, running: Running[Any]) -> None:
        """Runs a call on the main thread."""
        self._task = asyncio.current_task()
        self._interrupted = self._pending = False
        self.heed_interrupts()
        self.at_begin()
        try:
            try:
                self._call = running.call_id
                if running.cancellation.requested:
                    raise KeyboardInterrupt  # as if it came a moment later
                running.value = await running.work()
            finally:
                self._call = None  # an interrupt that came until now is caught below
        except asyncio.CancelledError as cancelled:
            running.error = KeyboardInterrupt() if self._interrupted else cancelled
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            running.error = error
        finally:
            self._call = self._task = None

    def _on_sigint(self) -> None:
        self._heard += 1
        if self._call is None and self._beside is None:
            return  # idle workers are left alone
        self._interrupted = True
        if self._shields:
            self._pending = True
        else:
            self._raise_or_cancel()

    def _raise_or_cancel(self) -> None:
        running = asyncio.current_task(self._main.loop)
        if self._beside is None and running is not self._task and self._task is not None:
            self._main.loop.call_soon_threadsafe(self._task.cancel)
        if running is not None:
            raise KeyboardInterrupt
