"""Decides which worker runs which call, and how many workers there are.

Capacity is booked at the decision, never later, so no two decisions can promise the same share.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity

from .affinity import SessionTable
from .decisions import (
    Decision,
    GrantLease,
    NoWorkers,
    QueueFull,
    Refusal,
    RefuseCall,
    SessionLost,
    StartWorker,
    StopWorker,
)
from .events import (
    CallEnded,
    CallSubmitted,
    Event,
    PoolResized,
    SessionEnded,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
)
from .queue import CallQueue, WaitingCall
from .roster import Roster, Worker
from .snapshot import SchedulerSnapshot, WorkerState


class Scheduler:
    """The whole state of a pool's placement: events go in by `handle`, decisions come out."""

    def __init__(self, *, queue_size: int) -> None:
        self._queue_size = queue_size
        self._wanted = 0  # as many workers start or are ready, always
        self._arrivals = 0
        self._roster = Roster()
        self._sessions = SessionTable()
        self._queue = CallQueue()
        self._running: dict[CallId, Worker] = {}

    def handle(self, event: Event, now: float) -> list[Decision]:
        """Takes in what happened at `now` (seconds); returns what is to be done, in order."""
        decisions: list[Decision] = []
        match event:
            case PoolResized():
                self._wanted = event.workers
                decisions = self._match_size(now)
            case WorkerReady():
                decisions = self._worker_ready(event, now)
            case WorkerFailed():
                decisions = self._worker_failed(event.worker_id, now)
            case WorkerLost():
                decisions = self._worker_lost(event.worker_id, now)
            case CallSubmitted():
                decisions = self._call_submitted(event, now)
            case CallEnded():
                decisions = self._call_ended(event.call_id, now)
            case SessionEnded():
                self._sessions.forget(event.session_id)
            case _:
                assert_never(event)
        return decisions

    def snapshot(self) -> SchedulerSnapshot:
        """Returns the ledger as it is now."""
        workers = sorted(self._roster, key=lambda worker: worker.place)
        return SchedulerSnapshot(
            workers=tuple(
                worker.snapshot(self._sessions.residents(worker.worker_id)) for worker in workers
            ),
            queued=self._queue.call_ids,
        )

    def _call_submitted(self, event: CallSubmitted, now: float) -> list[Decision]:
        refusal = self._refusal_of(event)
        if refusal is not None:
            return [RefuseCall(call_id=event.call_id, reason=refusal)]
        self._arrivals += 1
        call = WaitingCall(
            call_id=event.call_id,
            session_id=event.session_id,
            affinity=event.affinity,
            number=self._arrivals,
            pinned_to=self._sessions.home_of(event.session_id),
        )
        worker = self._place(call)
        if worker is not None:
            return [self._grant(worker, call, now)]
        if len(self._queue) >= self._queue_size:
            return [RefuseCall(call_id=call.call_id, reason=QueueFull(size=self._queue_size))]
        self._queue.append(call)
        return []

    def _refusal_of(self, event: CallSubmitted) -> Refusal | None:
        """Returns why no worker can run the call, however long it waited."""
        lost = self._sessions.take_loss(event.session_id)
        if lost is not None and event.session_id is not None:
            return SessionLost(session_id=event.session_id, worker_id=lost)
        return None if self._wanted else NoWorkers()

    def _place(self, call: WaitingCall) -> Worker | None:
        """Returns the worker with room that suits the call best, if there is any."""
        if call.pinned_to is not None:
            home = self._roster.find(call.pinned_to)
            return home if home is not None and home.has_room else None
        preferred = self._roster.find(self._sessions.preference_of(call.session_id))
        if preferred is not None and preferred.has_room:
            return preferred
        if call.session_id is None or call.affinity is Affinity.HINT:
            return next(self._roster.with_room(), None)
        return min(  # this one becomes the session's home: spread them
            self._roster.with_room(),
            key=lambda worker: len(self._sessions.residents(worker.worker_id)),
            default=None,
        )

    def _grant(self, worker: Worker, call: WaitingCall, now: float) -> Decision:
        self._roster.book(worker, call.call_id, call.session_id, now)
        self._running[call.call_id] = worker
        if call.session_id is not None and call.pinned_to is None:
            if call.affinity is Affinity.HINT:
                self._sessions.prefer(call.session_id, worker.worker_id)
            else:
                self._sessions.settle(call.session_id, worker.worker_id)
                self._queue.pin(call.session_id, worker.worker_id)
        return GrantLease(call_id=call.call_id, worker_id=worker.worker_id)

    def _call_ended(self, call_id: CallId, now: float) -> list[Decision]:
        if call_id in self._queue:
            self._queue.remove(call_id)
            return []
        worker = self._running.pop(call_id, None)
        if worker is None:
            return []  # it was refused, or lost with its worker
        self._roster.release(worker, call_id, now)
        if worker.state is WorkerState.DRAINING and not worker.load:
            return [StopWorker(worker_id=worker.worker_id)]
        return self._fill(worker, now)

    def _fill(self, worker: Worker, now: float) -> list[Decision]:
        """Grants waiting calls for as long as the worker has room."""
        decisions: list[Decision] = []
        while worker.has_room:
            call = self._queue.next_for(worker.worker_id)
            if call is None:
                break
            self._queue.remove(call.call_id)
            decisions.append(self._grant(worker, call, now))
        return decisions

    def _worker_ready(self, event: WorkerReady, now: float) -> list[Decision]:
        worker = self._roster.find(event.worker_id)
        if worker is None:
            return []
        if worker.state is WorkerState.DRAINING:  # it was given up while it started
            return [StopWorker(worker_id=worker.worker_id)]
        self._roster.set_ready(worker, event.capacity, now)
        return self._fill(worker, now)

    def _worker_failed(self, worker_id: WorkerId, now: float) -> list[Decision]:
        """Lowers the wanted size: what cannot start is not tried for ever."""
        worker = self._roster.find(worker_id)
        if worker is not None and worker.state is not WorkerState.DRAINING:
            self._wanted -= 1
        return self._worker_lost(worker_id, now)

    def _worker_lost(self, worker_id: WorkerId, now: float) -> list[Decision]:
        worker = self._roster.find(worker_id)
        if worker is None:
            return []
        for call_id in worker.leases:
            del self._running[call_id]
        self._roster.remove(worker)
        return [
            *self._lose_sessions(worker_id, told=worker.leases.values()),
            *self._match_size(now),
        ]

    def _lose_sessions(
        self, worker_id: WorkerId, *, told: Iterable[SessionId | None]
    ) -> list[Decision]:
        """Gives up a worker's sessions. Each hears of it once: by its calls, or by its next."""
        waiting = {
            call.call_id: SessionLost(session_id=call.session_id, worker_id=worker_id)
            for call in self._queue.waiting_for(worker_id)
            if call.session_id is not None
        }
        self._sessions.lose(
            worker_id, told={*told, *(lost.session_id for lost in waiting.values())}
        )
        return self._refuse_waiting(waiting)

    def _match_size(self, now: float) -> list[Decision]:
        """Starts what is missing; drains what is too many, first those that hold no session."""
        staying = [worker for worker in self._roster if worker.state is not WorkerState.DRAINING]
        decisions: list[Decision] = [
            StartWorker(worker_id=self._roster.add(now).worker_id)
            for _ in range(self._wanted - len(staying))
        ]
        staying.sort(
            key=lambda worker: (
                len(self._sessions.residents(worker.worker_id)),
                worker.load,
                -worker.place,
            )
        )
        for worker in staying[: max(0, len(staying) - self._wanted)]:
            decisions += self._drain(worker, now)
        if not self._wanted:
            decisions += self._refuse_waiting(dict.fromkeys(self._queue.call_ids, NoWorkers()))
        return decisions

    def _drain(self, worker: Worker, now: float) -> list[Decision]:
        """Lets a worker's calls end; its sessions begin anew elsewhere."""
        is_idle = worker.state is WorkerState.READY and not worker.load
        self._roster.set_draining(worker, now)
        decisions = self._lose_sessions(worker.worker_id, told=())
        if is_idle:
            decisions.append(StopWorker(worker_id=worker.worker_id))
        return decisions

    def _refuse_waiting(self, refusals: Mapping[CallId, Refusal]) -> list[Decision]:
        for call_id in refusals:
            self._queue.remove(call_id)
        return [RefuseCall(call_id=call_id, reason=why) for call_id, why in refusals.items()]
