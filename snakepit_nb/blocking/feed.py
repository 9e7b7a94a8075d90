"""Feeds functions to a pool as it has room for them; what exceeds that waits here, without bound.

Any thread appends; a few runners on the portal thread take from it, each one call at a time.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.bridge.doors import Doors
from snakepit_nb.bridge.host_calls import calls_that_wait
from snakepit_nb.calls import ToolCall, ToolResult
from snakepit_nb.errors import PoolClosedError, PoolSaturatedError, SnakepitError
from snakepit_nb.identifiers import CallId, CorrelationId
from snakepit_nb.settings import PoolSettings
from snakepit_nb.wire.function_calls import joined_parameters, read_mapped

from .call_future import CallFuture, WatchedFuture
from .opening import open_process_pool
from .pace import Pace, Paces
from .portal import portal

T = TypeVar("T")


@asynccontextmanager
async def open_fed_pool(settings: PoolSettings) -> AsyncIterator["Feed"]:
    """Opens a pool of processes and its feed. Behind the `async with` each of its futures is done.

    The runners outlive the pool, to hand on how it ended what still ran.
    """
    async with anyio.create_task_group() as runners, open_process_pool(settings) as doors:
        feed = Feed(doors, runners)
        try:
            yield feed
        finally:
            feed.close()


@dataclass(slots=True, eq=False)
class Fed(Generic[T]):
    """A call from its submission to its end."""

    call: ToolCall | None
    """None once it is done: a future that is kept must not keep its arguments."""
    read: Callable[[Any], Awaitable[T]]
    future: CallFuture[T]
    pace: Pace | None
    """Of the map whose chunk it is: those of one map may travel together."""
    bundle: "Bundle | None" = None

    def let_go(self, future: Future[T]) -> None:
        """Tells who waits for a cancelled future, and ends its call; called once it is done."""
        self.call = None
        if future.cancelled():
            future.set_running_or_notify_cancel()
            if self.bundle is not None:  # else its runner looks before it begins
                portal().call_soon(self.bundle.cancel_if_unwanted)


@dataclass(slots=True, eq=False)
class Bundle:
    """What travels as one call: one that was submitted, or several chunks of one map."""

    feds: list[Fed[Any]]
    call_id: CallId
    scope: anyio.CancelScope

    def cancel_if_unwanted(self) -> None:
        """Ends the call when nobody waits for any of it."""
        if all(fed.future.done() for fed in self.feds):
            self.scope.cancel()


class Feed:
    """The functions of one pool that wait or run. Made by `open_fed_pool`."""

    def __init__(self, doors: Doors, runners: TaskGroup) -> None:
        self.doors = doors
        self.pool = doors.bridge.pool
        self.paces = Paces()
        self._tasks = runners
        self._lock = threading.Lock()
        self._waiting: deque[Fed[Any]] = deque()
        self._in_flight: set[Bundle] = set()
        self._runners = 0
        self._needs_no_wake = False
        self._refusal = ""
        self._rested: anyio.Event | None = None
        self.resize(self.pool.settings.workers)

    def submit(
        self, call: ToolCall, read: Callable[[Any], Awaitable[T]], pace: Pace | None = None
    ) -> CallFuture[T]:
        """Lets a call run when its turn comes; `read` makes the future's value of the tool's.

        From any thread; it never blocks. With a pace, it is a chunk of a map.

        Raises:
            PoolClosedError: the pool is stopped, or takes no more.
        """
        asked_by = calls_that_wait()
        future: CallFuture[T]
        if asked_by:
            on_wait = partial(portal().call_soon, self.pool.look_for_knots)
            watched: WatchedFuture[T] = WatchedFuture(
                call.label, call.correlation_id, lambda: self._runs(fed), on_wait
            )
            future = watched
            call = replace(call, on_behalf_of=asked_by, is_awaited=lambda: watched.is_awaited)
        else:
            future = CallFuture(call.label, call.correlation_id, lambda: self._runs(fed))
        fed = Fed(call, read, future, pace)
        future.add_done_callback(fed.let_go)
        with self._lock:
            self.check_open(call.correlation_id)
            # In this order, lest an interrupt in between leaves a call that nobody is woken for.
            if not self._needs_no_wake:
                portal().call_soon(self._start_runners)
                self._needs_no_wake = True
            self._waiting.append(fed)
        return future

    def check_open(self, correlation_id: CorrelationId | None = None) -> None:
        """Raises PoolClosedError if it takes no more."""
        if self._refusal:
            raise PoolClosedError(self._refusal, correlation_id=correlation_id)

    @property
    def takes_more(self) -> bool:
        """Whether it does."""
        return not self._refusal

    def refuse(self, because: str) -> None:
        """Takes no more; what is here goes on. From any thread; the last reason stands."""
        with self._lock:
            self._refusal = f"Pool {self.pool.settings.name!r} {because}"

    def start(
        self, work: Callable[[], Coroutine[Any, Any, None]], refuse: Callable[[], None]
    ) -> None:
        """Lets work begin soon that must not raise, in the order of the calls; from any thread.

        The pool's end waits for it. Where the pool has ended meanwhile, `refuse` is called.
        """

        def begin() -> None:
            if self._refusal:
                refuse()
            else:
                self._tasks.start_soon(work)

        portal().call_soon(begin)

    # All below belongs to the portal thread.

    def resize(self, workers: int) -> None:
        """Keeps so many workers busy, with a few calls ahead, but most of the pool's queue free."""
        capacity = self._capacity = workers * self.pool.settings.capacity
        self._window = min(2 * capacity + 2, max(capacity, self.pool.settings.queue_size // 2))
        self._start_runners()

    async def wait_idle(self) -> None:
        """Returns when all that was submitted is done."""
        while self._runners or self._waiting:
            self._rested = self._rested or anyio.Event()
            await self._rested.wait()

    def cancel_fitting(self, wanted: str | None) -> int:
        """Cancels what waits here, of one correlation id or all; returns how many there were."""
        fitting = [
            fed.future
            for fed in tuple(self._waiting)
            if wanted in (None, fed.future.correlation_id)
        ]
        return sum(future.cancel() for future in fitting)

    def cancel_waiting(self) -> None:
        """Cancels what no worker has begun, also what waits in the pool's own queue."""
        begun = self.begun()
        held_up = [bundle for bundle in self._in_flight if bundle.call_id not in begun]
        for fed in (*self._waiting, *(fed for bundle in held_up for fed in bundle.feds)):
            fed.future.cancel()

    def close(self) -> None:
        """Takes no more and ends what waits here; what runs is ended by the pool."""
        self.refuse("is stopped. Start it again: %snakepit start.")
        for fed in tuple(self._waiting):
            _fail(fed, PoolClosedError(self._refusal, correlation_id=fed.future.correlation_id))

    def begun(self) -> set[CallId]:
        """Returns the calls that have a worker."""
        return {call.call_id for worker in self.pool.snapshot().workers for call in worker.calls}

    def _runs(self, fed: Fed[Any]) -> bool:
        """Tells, on any thread, whether a call has a worker."""
        return fed.bundle is not None and fed.bundle.call_id in portal().call(self.begun)

    @property
    def _room(self) -> int:
        """How many calls may be under way.

        Of a function whose pace is not known, only as many as run at once: what is sent ahead goes
        chunk by chunk, and if it is quick, most of a map would have gone so before that shows.
        """
        pace = self._waiting[0].pace if self._waiting else None
        return self._window if pace is None or pace.is_known else self._capacity

    def _start_runners(self) -> None:
        with self._lock:
            room = self._room
            missing = min(room - self._runners, len(self._waiting))
            self._runners += max(0, missing)
            self._needs_no_wake = self._runners >= room
        for _ in range(missing):
            self._tasks.start_soon(self._run_waiting)

    async def _run_waiting(self) -> None:
        while feds := self._next():
            await self._run(feds)

    def _next(self) -> list[Fed[Any]]:
        """Takes what waits longest; of a map that has shown to be quick, several chunks."""
        with self._lock:
            if self._waiting and self._runners <= self._room:
                feds = [self._waiting.popleft()]
                pace = feds[0].pace
                if pace is not None:
                    most = pace.chunks(len(self._waiting) + 1, self._capacity)
                    while len(feds) < most and self._waiting and self._waiting[0].pace is pace:
                        feds.append(self._waiting.popleft())
                return feds
            self._runners -= 1
            self._needs_no_wake = False
        if not self._runners and self._rested is not None:
            self._rested.set()
            self._rested = None
        return []

    async def _run(self, feds: list[Fed[Any]]) -> None:
        pairs = [(fed, call) for fed in feds if (call := fed.call) is not None]
        if not pairs:  # all were cancelled while they waited
            return
        wanted, calls = [fed for fed, _ in pairs], [call for _, call in pairs]
        bundle = Bundle(wanted, calls[0].call_id, anyio.CancelScope())
        self._in_flight.add(bundle)
        for fed in wanted:
            fed.bundle = bundle
        bundle.cancel_if_unwanted()  # by who did not see the bundle yet
        try:
            with bundle.scope:
                await self._hand_out(wanted, await self._call(_joined(calls)))
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 (of a pickle)
            for fed in wanted:
                _fail(fed, error)
        finally:
            self._in_flight.remove(bundle)
            for fed in wanted:
                if not fed.future.done() and fed.bundle is not None:
                    _fail(fed, PoolClosedError(f"Pool {self.pool.settings.name!r} broke down."))

    async def _hand_out(self, feds: list[Fed[Any]], result: ToolResult) -> None:
        pace = feds[0].pace
        if pace is None:
            await _finish(feds[0], result.value)
            return
        outcomes, seconds = read_mapped(result.value)
        pace.note(seconds, len(outcomes))
        self._start_runners()  # there may be more room now, for this map or what stands behind it
        for fed, outcome in zip(feds, outcomes, strict=False):
            await _finish(fed, outcome)
        with self._lock:
            for fed in reversed(feds[len(outcomes) :]):  # behind a failure none was begun
                fed.bundle = None
                self._waiting.appendleft(fed)

    async def _call(self, call: ToolCall) -> ToolResult:
        while True:
            await self.pool.wait_room()
            with suppress(PoolSaturatedError):  # others were faster
                return await self.pool.call(call, timeout=None, is_patient=True)


def _joined(calls: list[ToolCall]) -> ToolCall:
    if len(calls) == 1:
        return calls[0]
    return replace(calls[0], parameters=joined_parameters([call.parameters for call in calls]))


async def _finish(fed: Fed[Any], outcome: object) -> None:
    value = await fed.read(outcome)
    with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants it
        fed.future.set_result(value)


def _fail(fed: Fed[Any], error: BaseException) -> None:
    if isinstance(error, SnakepitError):
        error.__traceback__ = None  # it tells all itself, and the way to it holds the arguments
    with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants it
        fed.future.set_exception(error)
