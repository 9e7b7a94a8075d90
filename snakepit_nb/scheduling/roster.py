"""The workers of a pool and what is booked on each: the ledger of capacity."""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from snakepit_nb.identifiers import CallId, SessionId, WorkerId, worker_id

from .queue import WaitingCall
from .snapshot import WorkerSnapshot, WorkerState


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker as the scheduler sees it."""

    worker_id: WorkerId
    place: int
    since: float
    state: WorkerState = WorkerState.STARTING
    capacity: int = 0
    leases: dict[CallId, SessionId | None] = field(default_factory=dict)
    manual: set[CallId] = field(default_factory=set)
    """Those leases that callers took by hand."""
    is_tainted: bool = False
    """It may be ill, and takes no more than it must."""
    is_due: bool = False
    """It goes on until another is ready in its place."""
    abandoned: set[CallId] = field(default_factory=set)
    """Those leases that nobody waits for, and that nothing but its end frees."""

    @property
    def load(self) -> int:
        """How many calls it holds now."""
        return len(self.leases)

    @property
    def has_room(self) -> bool:
        """Whether it can take one more call."""
        return self.state is WorkerState.READY and len(self.leases) < self.capacity

    @property
    def is_staying(self) -> bool:
        """Whether it is one of those that are wanted."""
        return self.state is not WorkerState.DRAINING and not self.is_due

    @property
    def is_only_abandoned(self) -> bool:
        """Whether it drains, and all that it still runs was given up."""
        is_draining = self.state is WorkerState.DRAINING
        return is_draining and bool(self.abandoned) and len(self.abandoned) == self.load

    def snapshot(self, sessions: Collection[SessionId]) -> WorkerSnapshot:
        """Returns it as an observer may see it, with the sessions whose state it holds."""
        return WorkerSnapshot(
            worker_id=self.worker_id,
            state=self.state,
            is_tainted=self.is_tainted,
            capacity=self.capacity,
            load=self.load,
            since=self.since,
            sessions=tuple(sessions),
            calls=tuple(self.leases),
        )


class Roster:
    """All workers, and those with room in the order in which placement wants them."""

    def __init__(self) -> None:
        self._workers: dict[WorkerId, Worker] = {}
        self._incarnations: dict[int, int] = {}
        self._tainted: set[WorkerId] = set()
        self._served: set[int] = set()
        self._with_room: dict[int, OrderedDict[WorkerId, None]] = {}  # by load; longest idle first

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def find(self, wanted: WorkerId | None) -> Worker | None:
        """Returns a worker that is not lost, else None."""
        return None if wanted is None else self._workers.get(wanted)

    def with_room(self) -> Iterator[Worker]:
        """Yields the workers that can take a call: least loaded first, of equals longest idle."""
        for load in sorted(self._with_room):
            for name in self._with_room[load]:
                worker = self._workers[name]
                if not worker.is_tainted or self.has_no_other(worker):
                    yield worker

    def due_at(self, place: int) -> list[Worker]:
        """Returns the workers at a place that another is to replace: seldom more than one."""
        return [worker for worker in self if worker.is_due and worker.place == place]

    def not_draining_at(self, place: int) -> list[Worker]:
        """Returns the workers at a place that take calls, or will."""
        return [w for w in self if w.state is not WorkerState.DRAINING and w.place == place]

    def has_served(self, place: int) -> bool:
        """Tells whether a worker has ever been ready at a place."""
        return place in self._served

    @property
    def tainted(self) -> list[Worker]:
        """Those that may be ill."""
        return [self._workers[name] for name in self._tainted]

    def has_no_other(self, worker: Worker) -> bool:
        """Tells whether there is nobody who could take the place of a tainted worker."""
        return worker.is_tainted and not any(
            other.state is not WorkerState.DRAINING and not other.is_tainted for other in self
        )

    def taint(self, worker: Worker, *, is_tainted: bool) -> None:
        """Notes whether a worker may be ill."""
        worker.is_tainted = is_tainted
        (self._tainted.add if is_tainted else self._tainted.discard)(worker.worker_id)

    def add(self, now: float) -> Worker:
        """Enters a worker that is to be started: where another is due, else at the lowest place."""
        taken = {worker.place for worker in self if worker.is_staying}
        due = {worker.place for worker in self if worker.is_due} - taken
        free = (number for number in range(len(taken) + 1) if number not in taken)
        place = min(due) if due else next(free)
        incarnation = self._incarnations.get(place, 0)
        self._incarnations[place] = incarnation + 1
        name = worker_id(place, incarnation)
        worker = Worker(worker_id=name, place=place, since=now)
        self._workers[name] = worker
        return worker

    def remove(self, worker: Worker) -> None:
        """Strikes out a worker."""
        self._forget_room(worker)
        self._tainted.discard(worker.worker_id)
        del self._workers[worker.worker_id]

    def set_ready(self, worker: Worker, capacity: int, now: float) -> None:
        """Opens a worker for calls."""
        worker.state, worker.capacity = WorkerState.READY, capacity
        self._served.add(worker.place)
        self._note_room(worker, now)

    def set_draining(self, worker: Worker, now: float) -> None:
        """Closes a worker for new calls."""
        self._forget_room(worker)
        worker.state, worker.since, worker.is_due = WorkerState.DRAINING, now, False

    def book(self, worker: Worker, call: WaitingCall, now: float) -> None:
        """Gives a call one share of a worker."""
        self._forget_room(worker)
        worker.leases[call.call_id] = call.session_id
        if call.is_manual:
            worker.manual.add(call.call_id)
        self._note_room(worker, now)

    def release(self, worker: Worker, call_id: CallId, now: float) -> None:
        """Takes a call's share back."""
        self._forget_room(worker)
        del worker.leases[call_id]
        worker.manual.discard(call_id)
        worker.abandoned.discard(call_id)
        self._note_room(worker, now)

    def _note_room(self, worker: Worker, now: float) -> None:
        worker.since = now
        if worker.has_room:
            load = len(worker.leases)
            self._with_room.setdefault(load, OrderedDict())[worker.worker_id] = None

    def _forget_room(self, worker: Worker) -> None:
        load = len(worker.leases)
        bucket = self._with_room.get(load)
        if bucket is not None:
            bucket.pop(worker.worker_id, None)
            if not bucket:
                del self._with_room[load]
