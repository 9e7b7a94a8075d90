"""One call in its worker, from its turn to its end."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

import anyio

from snakepit_nb.identifiers import CallId, SessionId

from .black_box import BlackBox
from .context import Cancellation
from .lane import Lane

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


class Running(Generic[T]):
    """A call in its worker, for an `async with` that lasts until its end.

    It comes to a value, or to the exception that it raised. Leaving by an exception interrupts it.
    """

    def __init__(
        self,
        runner: "RunsCalls",
        call_id: CallId,
        work: Callable[[], Awaitable[T]],
        *,
        where: Where,
        cancellation: Cancellation,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        self.call_id = call_id
        self.work = work
        self.cancellation = cancellation
        self.has_ended = False
        self.over: anyio.Event | None = None  # there is one while somebody waits for it
        self.value: T | None = None
        self.error: BaseException | None = None
        self.lane: Lane | None = None
        """Where it runs, once its turn has come."""
        self.task: asyncio.Task[None] | None = None  # held, because the loop holds tasks weakly
        self.has_begun = False
        self._runner = runner
        self._where = where
        self._at_end = at_end
        self._waiter: asyncio.Future[None] | None = None
        self._waits: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        self._runner.enter(self)
        try:
            lane = self.lane = await self._turn()
            lane.mailbox.post(self._start)
        except BaseException:
            self._let_go()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self._runner.interrupt(self.call_id)
            if not self.has_ended:
                with anyio.CancelScope(shield=True):
                    await self.wait()
        finally:
            self._let_go()

    def give_up_turn(self) -> None:
        """Ends the waiting for its turn, if it waits for that."""
        if self._waits is not None:
            self._waits.cancel()

    async def _turn(self) -> Lane:
        """Waits for its turn, if it is not interrupted before that."""
        waits = self._waits = asyncio.current_task()
        try:
            return await self._runner.take(self._where)
        except asyncio.CancelledError:
            if waits is None or not self.cancellation.requested:
                raise
            waits.uncancel()
            raise CallEndedError("KeyboardInterrupt") from KeyboardInterrupt()
        finally:
            self._waits = None

    async def wait(self) -> None:
        """Returns when it has ended; for one at a time."""
        if not self.has_ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def result(self) -> T:
        """Returns the value, or raises the exception, of a call that has ended."""
        if isinstance(self.error, Exception):
            raise self.error
        if self.error is not None:
            # Raised as it is, it would end the serving loop.
            raise CallEndedError(type(self.error).__name__) from self.error
        return self.value  # type: ignore[return-value]  # a T where there is no error

    def _let_go(self) -> None:
        if self.lane is not None:
            self._runner.give_back(self._where, self.lane)
        self._runner.leave(self)

    def _start(self) -> None:
        assert self.lane is not None  # noqa: S101 (our own mistake)
        self.task = self.lane.loop.create_task(self._run())

    async def _run(self) -> None:
        box = self._runner.black_box
        slot = 0 if box is None else box.begin(self.call_id)
        try:
            await self._runner.run_here(self)
        finally:
            if box is not None:
                box.end(slot)
            self._runner.call_serving(self._end)

    def _end(self) -> None:
        self.has_ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._at_end is not None:
            self._at_end()


class RunsCalls(Protocol):
    """What a `Running` asks of its runner."""

    black_box: BlackBox | None

    def enter(self, call: Running[Any]) -> None:
        """Notes a call that waits for its turn."""

    async def take(self, where: Where) -> Lane:
        """Waits until a call may run there, and returns the thread for it."""

    async def run_here(self, running: Running[Any]) -> None:
        """Runs a call where it belongs; all that it raises is caught."""

    def interrupt(self, call_id: CallId) -> None:
        """Interrupts a call and none beside it."""

    def call_serving(self, callback: Callable[[], object]) -> None:
        """Calls back on the serving thread's loop, from any thread."""

    def give_back(self, where: Where, lane: Lane) -> None:
        """Lets the next call have what `take` returned."""

    def leave(self, call: Running[Any]) -> None:
        """Notes that a call neither runs nor waits any more."""


class CallEndedError(Exception):
    """A call ended by KeyboardInterrupt, SystemExit or a cancellation: see `__cause__`."""
