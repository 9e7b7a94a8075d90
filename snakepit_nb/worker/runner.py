"""The seam between what a worker serves and the threads on which its calls run.

Above: the tools' and the cells' services, on the serving thread's loop. Below: the main thread
alone (profile `process`), or a thread for each call (profile `thread`). A call is a coroutine on an
asyncio loop of the thread that it runs on; plain user code blocks that loop while it runs.
"""

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import anyio

from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.mailbox import Mailbox
from snakepit_nb.settings import Profile

from .context import Cancellation
from .lane import Lane
from .outbox import Outbox

T = TypeVar("T")


class Place(Enum):
    """Where a call wants to run, if there is a choice."""

    LOOP = auto()
    """On the loop that all calls share that await."""
    THREAD = auto()
    """On any thread that nobody uses meanwhile."""
    FRESH_THREAD = auto()
    """On a thread that ends with the call, and with it what the call has left on its loop."""


Where: TypeAlias = Place | SessionId
"""A place, or the thread of a session."""


@dataclass(slots=True)
class Running(Generic[T]):
    """A call in its worker, and what it comes to: a value, or the exception that it raised."""

    cancellation: Cancellation
    ended: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)
    """No call of this id runs or waits any more."""
    value: T | None = None
    error: BaseException | None = None
    loop: asyncio.AbstractEventLoop | None = None
    """Where it runs, once its turn has come."""
    task: asyncio.Task[None] | None = None  # held, because the loop holds tasks weakly
    has_begun: bool = False

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


class Runner(ABC):
    """Made and served on the main thread; the rest is for the serving one."""

    profile: ClassVar[Profile]
    capacity: int = 1
    """How many calls run at once."""

    def __init__(self) -> None:
        self._main = Lane()
        self._calls: dict[CallId, Running[Any]] = {}
        self._load_changed: anyio.Event | None = None  # there is one while somebody waits for it

    def serve(self) -> None:
        """Runs calls until `stop`."""
        signal.signal(signal.SIGINT, lambda *_: self._on_sigint())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._main.serve()

    def stop(self) -> None:
        """Ends `serve`, from any thread."""
        self._main.stop()

    def attach(self) -> None:
        """Makes the running loop the serving one; called there before the first `run`."""
        self._to_serving = Mailbox(asyncio.get_running_loop().call_soon_threadsafe)

    def call_serving(self, callback: Callable[[], object]) -> None:
        """Calls back on the serving thread's loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody is there to be told
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
            await running.ended.wait()
        return running.result()

    @asynccontextmanager
    async def running(
        self,
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        at_end: Callable[[], object] = lambda: None,
        *,
        where: Where = Place.LOOP,
        cancellation: Cancellation | None = None,
    ) -> AsyncIterator[Running[T]]:
        """Runs a call while the `with` lasts, which itself lasts until its end.

        Leaving by an exception interrupts it. `at_end` is called here when the call has ended.
        `cancellation` is told of an interrupt, whether the call heeds it or not.
        """
        running: Running[T] = Running(cancellation or Cancellation())
        self._calls[call_id] = running
        self._tell_load()
        try:
            async with self._turn(where) as lane:
                self._begin(lane or self._main, call_id, work, at_end, running)
                try:
                    yield running
                except BaseException:
                    self.interrupt(call_id)
                    raise
                finally:
                    if not running.ended.is_set():
                        with anyio.CancelScope(shield=True):
                            await running.ended.wait()
        finally:
            running.over.set()
            del self._calls[call_id]
            self._tell_load()

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
        if call_id in self._calls:
            await self._calls[call_id].over.wait()

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

    @abstractmethod
    async def end_session(self, session_id: SessionId) -> None:
        """Frees what is kept for a session, once its calls have ended."""

    def _tell_load(self) -> None:
        if self._load_changed is not None:
            self._load_changed.set()
            self._load_changed = None

    def _begin(
        self,
        lane: Lane,
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        at_end: Callable[[], object],
        running: Running[T],
    ) -> None:
        loop = running.loop = lane.loop

        async def run() -> None:
            try:
                await self._run_here(call_id, work, running)
            finally:
                self.call_serving(end)

        def end() -> None:
            running.ended.set()
            at_end()

        def start() -> None:
            running.task = loop.create_task(run())

        lane.mailbox.post(start)

    @abstractmethod
    def _turn(self, where: Where) -> AbstractAsyncContextManager[Lane | None]:
        """Waits until a call may run there; None for the main thread."""

    @abstractmethod
    def _on_sigint(self) -> None:
        """Does on the main thread what a SIGINT means."""

    @abstractmethod
    async def _run_here(
        self, call_id: CallId, work: Callable[[], Awaitable[T]], running: Running[T]
    ) -> None:
        """Runs a call where it belongs; all that it raises is caught."""
