"""Which calls hold which shares of workers, and which wait for one."""

from collections.abc import Collection, Mapping

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity, CapacityStrategy

from .affinity import SessionTable
from .decisions import (
    Decision,
    GrantLease,
    QueueFull,
    Refusal,
    RefuseCall,
    SessionBusy,
    SessionLost,
    WorkerGone,
)
from .events import CallSubmitted
from .placement import Placement
from .queue import CallQueue, WaitingCall
from .roster import Roster, Worker
from .snapshot import WorkerState
from .turns import Turns


class Bookings:
    """Books a share when it grants it, never later: no two grants can promise the same one."""

    def __init__(
        self,
        roster: Roster,
        sessions: SessionTable,
        *,
        queue_size: int,
        strategy: CapacityStrategy,
    ) -> None:
        self._roster = roster
        self._sessions = sessions
        self._queue_size = queue_size
        self._placement = Placement(roster, sessions, strategy)
        self._queue = CallQueue()
        self._turns = Turns()
        self._running: dict[CallId, Worker] = {}
        self._arrivals = 0

    @property
    def queued(self) -> tuple[CallId, ...]:
        """The calls that wait, first come first."""
        return self._queue.call_ids

    @property
    def may_wait(self) -> bool:
        """Tells whether one more call may wait."""
        return len(self._queue) < self._queue_size

    def worker_of(self, call_id: CallId) -> Worker | None:
        """Returns the worker on which a call holds a share, if it holds one."""
        return self._running.get(call_id)

    def needed_by(self, call_id: CallId) -> frozenset[CallId] | None:
        """Returns the calls of which one must end before one that waits can run.

        None: it may run without that, on a worker that starts, or it does not wait at all.
        """
        if call_id not in self._queue:
            return None
        call = self._queue[call_id]
        if call.is_held:
            holder = self._turns.holder_of(call.session_id)
            return None if holder is None else frozenset({holder})
        workers = [
            worker
            for worker in self._roster
            if worker.state is not WorkerState.DRAINING
            and call.pinned_to in (None, worker.worker_id)
        ]
        if any(worker.state is WorkerState.STARTING for worker in workers):
            return None
        return frozenset(lease for worker in workers for lease in worker.leases)

    def submit(self, event: CallSubmitted, now: float) -> list[Decision]:
        """Grants a share to a call, or lets it wait, or refuses that."""
        self._arrivals += 1
        call = self._entered(event)
        worker = None if call.is_held else self._placement.place(call)
        refusal = None if worker is not None else self._refusal_to_wait(call)
        if refusal is not None:
            return [RefuseCall(call_id=call.call_id, reason=refusal)]
        if call.session_id is not None:
            self._sessions.begin_call(call.session_id, keeps=event.keeps_session)
            if call.is_cell:
                self._turns.enter(call.session_id, call.call_id)
        if worker is not None:
            return [self._grant(worker, call, now)]
        self._queue.append(call)
        return []

    def end(self, call_id: CallId, now: float) -> list[Decision]:
        """Takes back what a call holds; its share goes to those that wait."""
        if call_id in self._queue:
            following = self._leave(call_id, self._queue.remove(call_id).session_id, now)
            return self._grant_waiting(following, now)
        worker = self._running.pop(call_id, None)
        if worker is None:
            return []  # it was refused, or lost with its worker
        following = self._leave(call_id, worker.leases[call_id], now)
        self._roster.release(worker, call_id, now)
        return [*self.fill(worker, now), *self._grant_waiting(following, now)]

    def fill(self, worker: Worker, now: float) -> list[Decision]:
        """Grants waiting calls for as long as the worker has room."""
        decisions: list[Decision] = []
        while len(self._queue) and worker.has_room:
            only_manual = self._placement.is_only_for_manual(worker)
            only_pinned = self._placement.is_only_for_its_own(worker)
            call = self._queue.next_for(
                worker.worker_id, only_manual=only_manual, only_pinned=only_pinned
            )
            if call is None:
                break
            self._queue.remove(call.call_id)
            decisions.append(self._grant(worker, call, now))
        return decisions

    def lose_worker(self, worker: Worker, now: float) -> list[Decision]:
        """Forgets what ran on a worker that is gone, and refuses what waits for it alone."""
        for call_id in worker.leases:
            del self._running[call_id]
        decisions = self.lose_sessions(worker.worker_id, told=worker.leases.values(), now=now)
        for call_id, session_id in worker.leases.items():
            decisions += self._grant_waiting(self._leave(call_id, session_id, now), now)
        return decisions

    def lose_sessions(
        self, worker_id: WorkerId, *, told: Collection[SessionId | None], now: float
    ) -> list[Decision]:
        """Gives up a worker's sessions. Each hears of it once: by its calls, or by its next."""
        waiting = self._queue.waiting_for(worker_id)
        lost = tuple(self._sessions.residents(worker_id))
        self._sessions.lose(worker_id, told={*told, *(call.session_id for call in waiting)})
        decisions = self.refuse(
            {
                call.call_id: WorkerGone(worker_id=worker_id)
                if call.session_id is None
                else SessionLost(session_id=call.session_id, worker_id=worker_id)
                for call in waiting
            },
            now,
        )
        for session_id in lost:
            self._turns.begin_anew(session_id)
        return decisions

    def refuse(self, refusals: Mapping[CallId, Refusal], now: float) -> list[Decision]:
        """Refuses calls that wait."""
        refused = [self._queue.remove(call_id) for call_id in refusals]
        decisions: list[Decision] = [
            RefuseCall(call_id=call_id, reason=why) for call_id, why in refusals.items()
        ]
        for call in refused:
            following = self._leave(call.call_id, call.session_id, now)
            decisions += self._grant_waiting(following, now)
        return decisions

    def _entered(self, event: CallSubmitted) -> WaitingCall:
        session_id = event.session_id
        is_cell = event.is_cell and session_id is not None
        wants_any = event.affinity is Affinity.HINT
        return WaitingCall(
            call_id=event.call_id,
            session_id=session_id,
            # A session is strict from its first cell on.
            affinity=Affinity.STRICT_QUEUE if is_cell and wants_any else event.affinity,
            number=self._arrivals,
            pinned_to=event.worker_id or self._sessions.home_of(session_id),
            is_manual=event.is_manual,
            is_cell=is_cell,
            is_held=is_cell and self._turns.is_taken(session_id),
            is_chosen=event.worker_id is not None,
        )

    def _refusal_to_wait(self, call: WaitingCall) -> Refusal | None:
        """Returns why the call cannot wait for room."""
        if (
            call.affinity is Affinity.STRICT_FAIL_FAST
            and call.session_id is not None
            and call.pinned_to is not None
        ):
            return SessionBusy(session_id=call.session_id, worker_id=call.pinned_to)
        return None if self.may_wait else QueueFull(size=self._queue_size)

    def _grant(self, worker: Worker, call: WaitingCall, now: float) -> Decision:
        self._roster.book(worker, call, now)
        self._running[call.call_id] = worker
        has_home = call.pinned_to is not None and not self._is_first(call)
        if call.session_id is not None and not has_home:
            if call.affinity is Affinity.HINT:
                self._sessions.prefer(call.session_id, worker.worker_id)
            else:
                self._sessions.settle(call.session_id, worker.worker_id)
                self._queue.pin(call.session_id, worker.worker_id)
        return GrantLease(
            call_id=call.call_id,
            worker_id=worker.worker_id,
            holds_state=call.session_id is not None and has_home,
        )

    def _is_first(self, call: WaitingCall) -> bool:
        """Tells whether a call whose worker was chosen is the first of its session there."""
        return call.is_chosen and self._sessions.home_of(call.session_id) is None

    def _leave(self, call_id: CallId, session_id: SessionId | None, now: float) -> CallId | None:
        """Notes that a call is over; returns the cell of its session whose turn it is by that."""
        if session_id is None:
            return None
        self._sessions.end_call(session_id, now)
        following = self._turns.leave(session_id, call_id)
        if following is None or following not in self._queue:
            return None
        self._queue.release(following)
        return following

    def _grant_waiting(self, call_id: CallId | None, now: float) -> list[Decision]:
        """Grants the room that there is for a call that may run now; to it, if it came first."""
        if call_id is None or call_id not in self._queue:
            return []
        worker = self._placement.place(self._queue[call_id])
        return [] if worker is None else self.fill(worker, now)
