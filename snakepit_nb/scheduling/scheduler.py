"""Decides which worker runs which call, and how many workers there are."""

from math import inf
from typing import assert_never

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity, CapacityStrategy

from .affinity import SessionTable
from .bookings import Bookings
from .decisions import (
    Decision,
    EndSession,
    GiveUpPlace,
    KillWorker,
    NoWorkers,
    Refusal,
    RefuseCall,
    StartWorker,
    StopWorker,
    TooManySessions,
    WorkerGone,
)
from .events import (
    CallAbandoned,
    CallEnded,
    CallSubmitted,
    Event,
    PoolResized,
    SessionEnded,
    TimePassed,
    WorkerCleared,
    WorkerDue,
    WorkerEvent,
    WorkerFailed,
    WorkerLife,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
    WorkerTainted,
)
from .restarts import Restarts
from .roster import Roster, Worker
from .snapshot import SchedulerSnapshot, WorkerState

START_TRIES = 3
"""How often it is tried in a minute to start a worker in the place of one that has served."""


class Scheduler:
    """The whole state of a pool's placement: events go in by `handle`, decisions come out."""

    def __init__(
        self,
        *,
        queue_size: int,
        session_ttl: float | None = None,
        session_limit: int | None = None,
        strategy: CapacityStrategy = CapacityStrategy.POOL,
        restart_limit: int | None = None,
    ) -> None:
        self._wanted = 0  # as many workers start or are ready, always
        self._restarts = Restarts(limit=restart_limit)
        self._failures = Restarts(limit=START_TRIES)
        self._roster = Roster()
        self._sessions = SessionTable(ttl=session_ttl)
        self._session_limit = session_limit
        self._bookings = Bookings(
            self._roster, self._sessions, queue_size=queue_size, strategy=strategy
        )

    def handle(self, event: Event, now: float) -> list[Decision]:
        """Takes in what happened at `now` (seconds); returns what is to be done, in order."""
        match event:
            case CallSubmitted():
                return self._call_submitted(event, now)
            case CallEnded():
                return self._call_ended(event.call_id, now)
            case SessionEnded():
                self._sessions.forget(event.session_id)
                return []
            case TimePassed():
                expired = self._sessions.expire(now)
                return [EndSession(session_id=s, worker_id=w) for s, w in expired.items()]
            case _:
                return [*self._handle_change(event, now), *self._use_tainted(now)]

    def _handle_change(
        self, event: WorkerEvent | PoolResized | CallAbandoned, now: float
    ) -> list[Decision]:
        """Takes in by what workers may come or go, and so the last that is surely well."""
        match event:
            case PoolResized():
                return self._pool_resized(event.workers, now)
            case CallAbandoned():
                return self._call_abandoned(event.call_id, now)
            case WorkerDue():
                return self._worker_due(event.worker_id, now)
            case WorkerTainted() | WorkerCleared():
                is_tainted = isinstance(event, WorkerTainted)
                return self._worker_judged(event.worker_id, now, is_tainted=is_tainted)
            case _:
                return self._handle_life(event, now)

    def _handle_life(self, event: WorkerLife, now: float) -> list[Decision]:
        match event:
            case WorkerReady():
                return self._worker_ready(event, now)
            case WorkerFailed():
                return self._worker_failed(event.worker_id, now)
            case WorkerLost():
                return self._worker_lost(event, now)
            case WorkerRetired():
                return self._worker_retired(event, now)
            case _:
                assert_never(event)

    def home_of(self, session_id: SessionId) -> WorkerId | None:
        """Returns the worker that holds a session's state, if there is any."""
        return self._sessions.home_of(session_id)

    @property
    def homes(self) -> dict[SessionId, WorkerId]:
        """Which worker holds the state of which session."""
        return self._sessions.homes

    @property
    def session_number(self) -> int:
        """How many sessions have their state on a worker."""
        return self._sessions.number

    @property
    def has_room(self) -> bool:
        """Tells whether one more call would be granted a share, or may wait for one."""
        return self._bookings.may_wait or next(self._roster.with_room(), None) is not None

    def load_of(self, worker_id: WorkerId) -> int:
        """Returns how many calls are booked on a worker."""
        worker = self._roster.find(worker_id)
        return 0 if worker is None else worker.load

    def needed_by(self, call_id: CallId) -> frozenset[CallId] | None:
        """Returns the calls of which one must end before one that waits can run; None: any may."""
        return self._bookings.needed_by(call_id)

    def snapshot(self) -> SchedulerSnapshot:
        """Returns the ledger as it is now."""
        workers = sorted(self._roster, key=lambda worker: worker.place)
        return SchedulerSnapshot(
            workers=tuple(
                worker.snapshot(self._sessions.residents(worker.worker_id)) for worker in workers
            ),
            queued=self._bookings.queued,
        )

    def _pool_resized(self, workers: int, now: float) -> list[Decision]:
        self._wanted = workers
        self._restarts.forget()
        self._failures.forget()
        for worker in self._roster:
            worker.is_due = False
        return self._match_size(now)

    def _call_submitted(self, event: CallSubmitted, now: float) -> list[Decision]:
        refusal = self._refusal_of(event)
        if refusal is not None:
            return [RefuseCall(call_id=event.call_id, reason=refusal)]
        return self._bookings.submit(event, now)

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
        if self._begins_session(event) and self._sessions.number >= (self._session_limit or inf):
            return TooManySessions(limit=self._sessions.number)
        return None

    def _begins_session(self, event: CallSubmitted) -> bool:
        is_strict = event.is_cell or event.affinity is not Affinity.HINT
        return is_strict and event.session_id is not None and not self.home_of(event.session_id)

    def _call_ended(self, call_id: CallId, now: float) -> list[Decision]:
        worker = self._bookings.worker_of(call_id)
        decisions = self._bookings.end(call_id, now)
        if worker is None or worker.state is not WorkerState.DRAINING:
            return decisions
        if not worker.load:
            return [*decisions, StopWorker(worker_id=worker.worker_id)]
        return [*decisions, *_kill_if_abandoned(worker)]

    def _call_abandoned(self, call_id: CallId, now: float) -> list[Decision]:
        worker = self._bookings.worker_of(call_id)
        if worker is None:
            return []
        worker.abandoned.add(call_id)
        retired = self._worker_retired(WorkerRetired(worker_id=worker.worker_id), now)
        return [*retired, *_kill_if_abandoned(worker)]

    def _worker_ready(self, event: WorkerReady, now: float) -> list[Decision]:
        worker = self._roster.find(event.worker_id)
        if worker is None:
            return []
        if worker.state is WorkerState.DRAINING:  # it was given up while it started
            return [StopWorker(worker_id=worker.worker_id)]
        self._roster.set_ready(worker, event.capacity, now)
        decisions = self._replace_due(worker.place, now)
        # It may have turned out to be one too many.
        is_ready = worker.state is WorkerState.READY
        return [*decisions, *(self._bookings.fill(worker, now) if is_ready else ())]

    def _replace_due(self, place: int, now: float) -> list[Decision]:
        """Lets a worker go for which another is ready; not one that has become a session's home."""
        decisions: list[Decision] = []
        for due in self._roster.due_at(place):
            if self._sessions.residents(due.worker_id):
                due.is_due = False
                decisions += self._match_size(now)
            else:
                decisions += self._drain(due, now)
        return decisions

    def _worker_due(self, worker_id: WorkerId, now: float) -> list[Decision]:
        worker = self._roster.find(worker_id)
        if worker is None or worker.state is not WorkerState.READY or worker.is_due:
            return []
        worker.is_due = True
        return self._match_size(now)

    def _worker_failed(self, worker_id: WorkerId, now: float) -> list[Decision]:
        """Tries again what has served before; what never could is not tried for ever."""
        worker = self._roster.find(worker_id)
        if worker is None or worker.state is WorkerState.DRAINING:
            return self._remove(worker, now)
        for due in self._roster.due_at(worker.place):
            due.is_due = False  # it goes on in its place
            return self._remove(worker, now)
        if not self._roster.has_served(worker.place):
            self._wanted -= 1
            return self._remove(worker, now)
        return self._replace(worker, self._failures.note(worker.place, now), now)

    def _worker_lost(self, event: WorkerLost, now: float) -> list[Decision]:
        worker = self._roster.find(event.worker_id)
        if worker is None or not worker.is_staying or not event.has_crashed:
            return self._remove(worker, now)
        return self._replace(worker, self._restarts.note(worker.place, now), now)

    def _replace(self, worker: Worker, crashes: int, now: float) -> list[Decision]:
        """Lets another worker take the place of a lost one, if that is not one of too many."""
        if not crashes:
            return self._remove(worker, now)
        self._wanted -= 1
        given_up = GiveUpPlace(worker_id=worker.worker_id, crashes=crashes)
        return [given_up, *self._remove(worker, now)]

    def _remove(self, worker: Worker | None, now: float) -> list[Decision]:
        if worker is None:
            return []
        self._roster.remove(worker)
        return [*self._bookings.lose_worker(worker, now), *self._match_size(now)]

    def _worker_judged(
        self, worker_id: WorkerId, now: float, *, is_tainted: bool
    ) -> list[Decision]:
        worker = self._roster.find(worker_id)
        if worker is None:
            return []
        self._roster.taint(worker, is_tainted=is_tainted)
        return self._bookings.fill(worker, now)

    def _use_tainted(self, now: float) -> list[Decision]:
        """Lets workers that may be ill run what waits, where there is nobody else any more."""
        return [
            decision
            for worker in self._roster.tainted
            for decision in self._bookings.fill(worker, now)
        ]

    def _worker_retired(self, event: WorkerRetired, now: float) -> list[Decision]:
        worker = self._roster.find(event.worker_id)
        if worker is None or worker.state is WorkerState.DRAINING:
            return []
        retired = [worker] if event.is_replaced else self._roster.not_draining_at(worker.place)
        if not event.is_replaced:
            self._wanted -= any(each.is_staying for each in retired)
        drained = [decision for each in retired for decision in self._drain(each, now)]
        return [*drained, *self._match_size(now)]

    def _match_size(self, now: float) -> list[Decision]:
        """Starts what is missing; drains what is too many, first those that hold no session."""
        staying = [worker for worker in self._roster if worker.is_staying]
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
            nobody = dict.fromkeys(self._bookings.queued, NoWorkers())
            decisions += self._bookings.refuse(nobody, now)
        return decisions

    def _drain(self, worker: Worker, now: float) -> list[Decision]:
        """Lets a worker's calls end; its sessions begin anew elsewhere."""
        is_idle = worker.state is WorkerState.READY and not worker.load
        self._roster.set_draining(worker, now)
        decisions = self._bookings.lose_sessions(worker.worker_id, told=(), now=now)
        if is_idle:
            decisions.append(StopWorker(worker_id=worker.worker_id))
        return decisions


def _kill_if_abandoned(worker: Worker) -> list[Decision]:
    return [KillWorker(worker_id=worker.worker_id)] if worker.is_only_abandoned else []
