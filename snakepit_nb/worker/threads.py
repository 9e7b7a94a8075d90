"""Threads as the places where user code runs, several calls at once.

Calls that await share the main thread's loop. Calls that block have a thread each, and so have
sessions, for their whole life: what one cell leaves on its loop goes on, and the next one finds it.
Code that awaits is interrupted by a cancellation. Plain code cannot be interrupted: it sees
`current_call().cancelled`, and holds its share of the capacity until it ends by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import count
from typing import Any, TypeVar

from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.settings import Profile

from .context import Cancellation, current_call
from .lane import Lane
from .outbox import Outbox
from .runner import Runner
from .running import Place, Running, Where

T = TypeVar("T")


class _SessionLane:
    """A session's thread and whose turn on it is."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.turn = asyncio.Lock()
        self.is_ended = False


class Threads(Runner):
    """Runs up to `capacity` calls at once, those of one session in order."""

    profile = Profile.THREAD

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self._shares = asyncio.Semaphore(capacity)
        self._lanes: set[Lane] = set()  # all but the main thread's
        self._idle: list[Lane] = []
        self._sessions: dict[SessionId, _SessionLane] = {}
        self._numbers = count(1)

    def serve(self) -> None:
        """Runs calls until `stop`, and then waits for the end of plain code."""
        super().serve()
        for lane in tuple(self._lanes):
            lane.clear()
            lane.join()

    def stop(self) -> None:
        """Ends `serve`, from any thread; what awaits is cancelled."""
        self._main.clear()

    def interrupt(self, call_id: CallId) -> None:
        """Cancels a call that awaits, and lets plain code see that nobody waits for it."""
        call = self.note_interrupt(call_id)  # before the look, for one that begins right now
        if call is None:
            return

        def cancel() -> None:
            if call.has_begun and call.task is not None:
                call.task.cancel()

        if call.lane is not None:
            with suppress(RuntimeError):  # the thread has ended, and the call before it
                call.lane.loop.call_soon_threadsafe(cancel)

    @property
    def was_interrupted(self) -> bool:
        """Tells whether the call that asks has been interrupted."""
        return current_call().cancelled

    def uninterrupted(self) -> AbstractContextManager[None]:
        """Does nothing: only code that awaits is ever hit."""
        return nullcontext()

    def putting(
        self, outbox: Outbox[T], where: Where, cancellation: Cancellation
    ) -> Callable[[T], Awaitable[None] | None]:
        """Returns how to put out: a full outbox holds up nobody else, and a generator can end."""

        async def put_from_loop(item: T) -> None:
            await outbox.wait_room(self._main.loop.call_soon_threadsafe)
            outbox.put(item)

        def put_from_thread(item: T) -> None:
            outbox.put(item)
            if cancellation.requested:
                raise KeyboardInterrupt

        return put_from_loop if where is Place.LOOP else put_from_thread

    async def end_session(self, session_id: SessionId) -> None:
        """Ends a session's thread, and cancels what its cells have left there."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        async with session.turn:
            if not session.is_ended:
                session.is_ended = True
                del self._sessions[session_id]
                self._end_lane(session.lane)

    def lane_of(self, session_id: SessionId | None) -> Lane:
        """Returns a session's thread, or the main one where it has none any more."""
        session = None if session_id is None else self._sessions.get(session_id)
        return self._main if session is None else session.lane

    async def take(self, where: Where) -> Lane:
        """Waits for a share of the capacity, and in a session also for its turn there."""
        if not isinstance(where, Place):
            return await self._take_session(where)
        await self._shares.acquire()
        if where is Place.LOOP:
            return self._main
        if where is Place.THREAD and self._idle:
            return self._idle.pop()
        try:
            return self._new_lane("call")
        except BaseException:  # there are too many threads, or descriptors
            self._shares.release()
            raise

    def give_back(self, where: Where, lane: Lane) -> None:
        """Lets the next call have the share, and the thread where that stays."""
        self._shares.release()
        if not isinstance(where, Place):
            self._sessions[where].turn.release()
        elif where is Place.THREAD:
            self._idle.append(lane)
        elif where is Place.FRESH_THREAD:
            self._end_lane(lane)

    async def _take_session(self, session_id: SessionId) -> Lane:
        session = self._session(session_id)
        await session.turn.acquire()
        while session.is_ended:  # while this call waited for its turn
            session.turn.release()
            session = self._session(session_id)
            await session.turn.acquire()
        try:
            await self._shares.acquire()
        except BaseException:
            session.turn.release()
            raise
        return session.lane

    def _session(self, session_id: SessionId) -> _SessionLane:
        session = self._sessions.get(session_id)
        if session is None:
            session = _SessionLane(self._new_lane(f"session {session_id[:40]}"))
            self._sessions[session_id] = session
        return session

    def _new_lane(self, purpose: str) -> Lane:
        lane = Lane.started(f"{purpose} ({next(self._numbers)})")
        self._lanes.add(lane)
        return lane

    def _end_lane(self, lane: Lane) -> None:
        self._lanes.remove(lane)
        lane.clear()

    async def run_here(self, running: Running[Any]) -> None:
        """Runs a call on its thread."""
        running.has_begun = True
        try:
            if running.cancellation.requested:
                raise KeyboardInterrupt  # noqa: TRY301 (as if it came a moment later)
            running.value = await running.work()
        except asyncio.CancelledError as cancelled:
            running.error = KeyboardInterrupt() if running.cancellation.requested else cancelled
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            running.error = error

    def _on_sigint(self) -> None:
        """Leaves the calls alone: a signal cannot tell which of them it means."""
