"""Decides which worker runs which call, and how many workers there are.

Capacity is booked at the decision, never later, so no two decisions can promise the same share.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity, CapacityStrategy

from .affinity import SessionTable
from .decisions import (
    Decision,
    EndSession,
    GrantLease,
    KillWorker,
    NoWorkers,
    QueueFull,
    Refusal,
    RefuseCall,
    SessionBusy,
    SessionLost,
    StartWorker,
    StopWorker,
    WorkerGone,
)
from .events import (
    CallAbandoned,
    CallEnded,
    CallEvent,
    CallSubmitted,
    Event,
    PoolResized,
    SessionEnded,
    TimePassed,
    WorkerEvent,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)
from .placement import Placement
from .queue import CallQueue, WaitingCall
from .roster import Roster, Worker
from .snapshot import SchedulerSnapshot, WorkerState


class Scheduler:
    """The whole state of a pool's placement: events go in by `handle`, decisions come out."""

    def __init__(
        self,
        *,
        queue_size: int,
        session_ttl: float | None = None,
        strategy: CapacityStrategy = CapacityStrategy.POOL,
    ) -> None:
        self._queue_size = queue_size
        self._wanted = 0  # as many workers start or are ready, always
        self._arrivals = 0
        self._roster = Roster()
        self._sessions = SessionTable(ttl=session_ttl)
        self._placement = Placement(self._roster, self._sessions, strategy)
        self._queue = CallQueue()
        self._running: dict[CallId, Worker] = {}

    def handle(self, event: Event, now: float) -> list[Decision]:
        """Takes in what happened at `now` (seconds); returns what is to be done, in order."""
        match event:
            case CallSubmitted() | CallEnded() | CallAbandoned():
                return self._handle_call(event, now)
            case SessionEnded():
                self._sessions.forget(event.session_id)
                return []
            case TimePassed():
                expired = self._sessions.expire(now)
                return [EndSession(session_id=s, worker_id=w) for s, w in expired.items()]
            case PoolResized():
                self._wanted = event.workers
                return self._match_size(now)
            case _:
                return self._handle_worker(event, now)

    def _handle_call(self, event: CallEvent, now: float) -> list[Decision]:
        match event:
            case CallSubmitted():
                return self._call_submitted(event, now)
            case CallEnded():
                return self._call_ended(event.call_id, now)
            case CallAbandoned():
                return self._call_abandoned(event.call_id, now)
            case _:
                assert_never(event)

    def _handle_worker(self, event: WorkerEvent, now: float) -> list[Decision]:
        match event:
            case WorkerReady():
                return self._worker_ready(event, now)
            case WorkerFailed():
                return self._worker_failed(event.worker_id, now)
            case WorkerLost():
                return self._worker_lost(event.worker_id, now)
            case WorkerRetired():
                return self._worker_retired(event.worker_id, now)
            case _:
                assert_never(event)

    def home_of(self, session_id: SessionId) -> WorkerId | None:
        """Returns the worker that holds a session's state, if there is any."""
        return self._sessions.home_of(session_id)

    def load_of(self, worker_id: WorkerId) -> int:
        """Returns how many calls are booked on a worker."""
        worker = self._roster.find(worker_id)
        return 0 if worker is None else worker.load

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
            pinned_to=event.worker_id or self._sessions.home_of(event.session_id),
            is_manual=event.is_manual,
        )
        worker = self._placement.place(call)
        refusal = None if worker is not None else self._refusal_to_wait(call)
        if refusal is not None:
            return [RefuseCall(call_id=call.call_id, reason=refusal)]
        self._sessions.begin_call(call.session_id, keeps=event.keeps_session)
        if worker is not None:
            return [self._grant(worker, call, now)]
        self._queue.append(call)
        return []

    def _refusal_of(self, event: CallSubmitted) -> Refusal | None:
        """Returns why no worker can run the call, however long it waited."""
        loss = self._sessions.take_loss(event.session_id)
        if loss is not None:
            return loss
        if not self._wanted:
            return NoWorkers()
        if event.worker_id is not None:
            worker = self._roster.find(event.worker_id)
            if worker is None or worker.state is WorkerState.DRAINING:
                return WorkerGone(worker_id=event.worker_id)
        return None

    def _refusal_to_wait(self, call: WaitingCall) -> Refusal | None:
        """Returns why the call cannot wait for room."""
        if (
            call.affinity is Affinity.STRICT_FAIL_FAST
            and call.session_id is not None
            and call.pinned_to is not None
        ):
            return SessionBusy(session_id=call.session_id, worker_id=call.pinned_to)
        return QueueFull(size=self._queue_size) if len(self._queue) >= self._queue_size else None

    def _grant(self, worker: Worker, call: WaitingCall, now: float) -> Decision:
        self._roster.book(worker, call, now)
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
            self._sessions.end_call(self._queue.remove(call_id).session_id, now)
            return []
        worker = self._running.pop(call_id, None)
        if worker is None:
            return []  # it was refused, or lost with its worker
        self._sessions.end_call(worker.leases[call_id], now)
        self._roster.release(worker, call_id, now)
        if worker.state is not WorkerState.DRAINING:
            return self._fill(worker, now)
        if not worker.load:
            return [StopWorker(worker_id=worker.worker_id)]
        return self._kill_if_abandoned(worker)

    def _call_abandoned(self, call_id: CallId, now: float) -> list[Decision]:
        worker = self._running.get(call_id)
        if worker is None:
            return []
        worker.abandoned.add(call_id)
        return [*self._worker_retired(worker.worker_id, now), *self._kill_if_abandoned(worker)]

    def _kill_if_abandoned(self, worker: Worker) -> list[Decision]:
        return [KillWorker(worker_id=worker.worker_id)] if worker.is_only_abandoned else []

    def _fill(self, worker: Worker, now: float) -> list[Decision]:
        """Grants waiting calls for as long as the worker has room."""
        decisions: list[Decision] = []
        while worker.has_room:
            only_manual = self._placement.is_only_for_manual(worker)
            call = self._queue.next_for(worker.worker_id, only_manual=only_manual)
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
        for call_id, session_id in worker.leases.items():
            del self._running[call_id]
            self._sessions.end_call(session_id, now)
        self._roster.remove(worker)
        return [
            *self._lose_sessions(worker_id, told=worker.leases.values(), now=now),
            *self._match_size(now),
        ]

    def _worker_retired(self, worker_id: WorkerId, now: float) -> list[Decision]:
        worker = self._roster.find(worker_id)
        if worker is None or worker.state is WorkerState.DRAINING:
            return []
        return [*self._drain(worker, now), *self._match_size(now)]

    def _lose_sessions(
        self, worker_id: WorkerId, *, told: Iterable[SessionId | None], now: float
    ) -> list[Decision]:
        """Gives up a worker's sessions. Each hears of it once: by its calls, or by its next."""
        waiting = self._queue.waiting_for(worker_id)
        self._sessions.lose(worker_id, told={*told, *(call.session_id for call in waiting)})
        return self._refuse_waiting(
            {
                call.call_id: WorkerGone(worker_id=worker_id)
                if call.session_id is None
                else SessionLost(session_id=call.session_id, worker_id=worker_id)
                for call in waiting
            },
            now,
        )

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
            nobody = dict.fromkeys(self._queue.call_ids, NoWorkers())
            decisions += self._refuse_waiting(nobody, now)
        return decisions

    def _drain(self, worker: Worker, now: float) -> list[Decision]:
        """Lets a worker's calls end; its sessions begin anew elsewhere."""
        is_idle = worker.state is WorkerState.READY and not worker.load
        self._roster.set_draining(worker, now)
        decisions = self._lose_sessions(worker.worker_id, told=(), now=now)
        if is_idle:
            decisions.append(StopWorker(worker_id=worker.worker_id))
        return decisions

    def _refuse_waiting(self, refusals: Mapping[CallId, Refusal], now: float) -> list[Decision]:
        for call_id in refusals:
            self._sessions.end_call(self._queue.remove(call_id).session_id, now)
        return [RefuseCall(call_id=call_id, reason=why) for call_id, why in refusals.items()]
