"""The seam between what a worker serves and the threads on which its calls run.

Above: the tools' and the cells' services, on the serving thread's loop. Below: the main thread
alone (profile `process`), or a thread for each call (profile `thread`). A call is a coroutine on an
asyncio loop of the thread that it runs on; plain user code blocks that loop while it runs.
"""

import _signal  # type: ignore[import-not-found]  # `signal` looks among an enum's values, slowly
import asyncio
import contextlib
import logging
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, TypeVar

import anyio

from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.mailbox import Mailbox
from snakepit_nb.settings import Profile

from .black_box import BlackBox
from .context import Cancellation
from .lane import Lane
from .outbox import Outbox
from .running import Place, Running, Where

log = logging.getLogger(__name__)

T = TypeVar("T")


REMEMBERED = 1024
"""How many of the calls that are interrupted before they come are known as such.

Many more than a worker runs at once: those whose interrupt came behind their end count too.
"""


class Runner(ABC):
    """Made and served on the main thread; the rest is for the serving one."""

    profile: ClassVar[Profile]
    capacity: int = 1
    """How many calls run at once."""

    def __init__(self) -> None:
        self._main = Lane()
        self._beside_calls: set[asyncio.Task[None]] = set()
        self._interrupts = lambda *_: self._on_sigint()
        self._calls: dict[CallId, Running[Any]] = {}
        self._unwanted: dict[CallId, None] = {}
        self._load_changed: anyio.Event | None = None  # there is one while somebody waits for it
        self.black_box: BlackBox | None = None
        self.at_begin: Callable[[], object] = lambda: None
        """Called before a call that has the process for itself; on the main thread."""

    def serve(self) -> None:
        """Runs calls until `stop`."""
        self.heed_interrupts()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._main.serve()

    def stop(self) -> None:
        """Ends `serve`, from any thread."""
        self._main.stop()

    def heed_interrupts(self) -> None:
        """Makes SIGINT ours; for the main thread. User code may have made it its own, as pdb."""
        _signal.signal(signal.SIGINT, self._interrupts)

    def attach(self) -> None:
        """Makes the running loop the serving one; called there before the first `run`."""
        self._serving = asyncio.get_running_loop()
        self._to_serving = Mailbox(self._serving.call_soon_threadsafe)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Calls back a while from now; on the serving thread, as the callback."""
        self._serving.call_later(seconds, callback)

    def call_serving(self, callback: Callable[[], object]) -> None:
        """Calls back on the serving thread's loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # nobody is there to be told
            self._to_serving.post(callback)

    async def run(
        self,
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        *,
        where: Where = Place.LOOP,
        cancellation: Cancellation | None = None,
    ) -> T:
        """Runs a call; cancelling interrupts it and waits for its end."""
        async with self.running(call_id, work, where=where, cancellation=cancellation) as running:
            await running.wait()
        return running.result()

    def running(
        self,
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        at_end: Callable[[], object] | None = None,
        *,
        where: Where = Place.LOOP,
        cancellation: Cancellation | None = None,
    ) -> Running[T]:
        """Returns what runs a call while its `async with` lasts.

        `at_end` is called here when the call has ended. `cancellation` is told of an interrupt,
        whether the call heeds it or not.
        """
        told = cancellation or Cancellation()
        return Running(self, call_id, work, where=where, cancellation=told, at_end=at_end)

    @property
    def load(self) -> int:
        """How many calls run or wait here."""
        return len(self._calls)

    async def wait_load(self, known: int) -> int:
        """Returns the load once it is another than the known one."""
        while self.load == known:
            self._load_changed = self._load_changed or anyio.Event()
            await self._load_changed.wait()
        return self.load

    async def wait_ended(self, call_id: CallId) -> None:
        """Returns when no call of this id runs or waits here."""
        call = self._calls.get(call_id)
        if call is not None:
            call.over = call.over or anyio.Event()
            await call.over.wait()

    @abstractmethod
    def interrupt(self, call_id: CallId) -> None:
        """Interrupts a call and none beside it; one that has not begun never runs."""

    @property
    @abstractmethod
    def was_interrupted(self) -> bool:
        """Tells the code of a call whether the call has been interrupted."""

    @abstractmethod
    def uninterrupted(self) -> AbstractContextManager[None]:
        """Holds an interrupt back while a call does what must not be left half done."""

    def putting(
        self,
        outbox: Outbox[T],
        where: Where,  # noqa: ARG002 (for who has a choice)
        cancellation: Cancellation,  # noqa: ARG002 (for who cannot raise into a call)
    ) -> Callable[[T], Awaitable[None] | None]:
        """Returns how a streaming call puts its items out from where it runs."""
        return outbox.put

    def start_beside(
        self,
        work: Callable[[], object],
        at_end: Callable[[], object],
        session_id: SessionId | None,
    ) -> None:
        """Starts plain code on the thread of a session without a turn of its own.

        It begins when that thread's loop is free: behind a cell that blocks it, within one that
        awaits. So the kernel treats what the front end tells widgets. `at_end` is called here.
        """
        lane = self.lane_of(session_id)

        async def run() -> None:
            try:
                work()
            except KeyboardInterrupt:
                log.info("what was called back was interrupted")
            except BaseException:
                log.exception("what was called back failed")
            finally:
                self.call_serving(at_end)

        def start() -> None:
            task = lane.loop.create_task(run())
            self._beside_calls.add(task)  # held, because the loop holds tasks weakly
            task.add_done_callback(self._beside_calls.discard)

        try:
            lane.mailbox.post(start)
        except RuntimeError:  # the session has ended
            at_end()

    @abstractmethod
    def lane_of(self, session_id: SessionId | None) -> Lane:
        """Returns the thread of a session that may have ended."""

    def beside(self, call_id: CallId) -> AbstractContextManager[None]:  # noqa: ARG002 (for who can interrupt it)
        """Makes code that runs beside calls one that can be interrupted."""
        return contextlib.nullcontext()

    @abstractmethod
    async def end_session(self, session_id: SessionId) -> None:
        """Frees what is kept for a session, once its calls have ended."""

    # What a `Running` asks for.

    def enter(self, call: Running[Any]) -> None:
        """Notes a call that waits for its turn."""
        self._calls[call.call_id] = call
        if call.call_id in self._unwanted:
            call.cancellation.requested = True
        if self._load_changed is not None:
            self._tell_load()

    def note_interrupt(self, call_id: CallId) -> Running[Any] | None:
        """Lets a call know of its interrupt, and returns it.

        Also one that is still to come, since gRPC may hand over calls in another order.
        """
        call = self._calls.get(call_id)
        if call is not None:
            call.cancellation.requested = True
            call.give_up_turn()
        else:
            self._unwanted[call_id] = None
            if len(self._unwanted) > REMEMBERED:
                del self._unwanted[next(iter(self._unwanted))]
        return call

    def leave(self, call: Running[Any]) -> None:
        """Notes that a call neither runs nor waits any more."""
        del self._calls[call.call_id]
        if call.over is not None:
            call.over.set()
        if self._load_changed is not None:
            self._tell_load()

    @abstractmethod
    async def take(self, where: Where) -> Lane:
        """Waits until a call may run there, and returns the thread for it."""

    @abstractmethod
    def give_back(self, where: Where, lane: Lane) -> None:
        """Lets the next call have what `take` returned."""

    @abstractmethod
    async def run_here(self, running: Running[Any]) -> None:
        """Runs a call where it belongs; all that it raises is caught."""

    def _tell_load(self) -> None:
        changed, self._load_changed = self._load_changed, None
        if changed is not None:
            changed.set()

    @abstractmethod
    def _on_sigint(self) -> None:
        """Does on the main thread what a SIGINT means."""
