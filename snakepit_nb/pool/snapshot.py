"""What an observer may see of a pool: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.scheduling.health import Illness
from snakepit_nb.scheduling.snapshot import SchedulerSnapshot, WorkerSnapshot, WorkerState

from .recent import Recent


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSnapshot:
    """One call that waits or runs."""

    call_id: CallId
    correlation_id: CorrelationId
    what: str
    """`cell`, or the tool's name."""
    session_id: SessionId | None
    seconds: float
    """Since it was submitted."""
    waited_seconds: float
    """Of these, before it got its worker, if it has one."""
    is_overdue: bool
    """Its time is over, and its worker has not stopped it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker."""

    worker_id: WorkerId
    state: str
    """`starting`, `idle`, `busy`, `draining` or `lost`; of one that is ill, how: `frozen`, ..."""
    pid: int | None
    capacity: int
    load: int
    counted_load: int | None
    """The load as the worker itself counts it, where it is asked (strategy `hybrid`)."""
    served: int
    """How many calls have run there and ended."""
    sessions: tuple[SessionId, ...]
    calls: tuple[CallSnapshot, ...]
    memory: int | None = None
    """Resident bytes of its process; None where nobody has looked. See `pool.memory`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One session whose variables live in a worker."""

    session_id: SessionId
    worker_id: WorkerId
    names: tuple[str, ...]
    """Its variables, as its last cell left them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to a pool or a worker, in words."""

    at: int
    """Nanoseconds since 1970."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """A pool at one moment."""

    name: str
    workers: tuple[WorkerStatus, ...]
    queued: tuple[CallSnapshot, ...]
    sessions: tuple[SessionStatus, ...]
    tools: tuple[ToolSpec, ...]
    finished: int
    """How many calls have ended, well or not."""
    recent: Recent
    """How many a second of late, and how long they took."""
    last_correlation_id: CorrelationId | None
    circuits: Mapping[str, str]
    """The tools that are not called now (`open`), or only for a try (`half-open`)."""
    problems: tuple[str, ...]
    """Why workers did not start or ended on their own, oldest first."""
    given_up: tuple[WorkerId, ...]
    """The last workers of those places in which none is started any more."""
    happenings: tuple[Happening, ...]
    """What happened last, oldest first."""


class ObservedCall(Protocol):
    """A call that can be seen."""

    def snapshot(self, now: float) -> CallSnapshot:
        """Returns what may be seen of it."""


class ObservedWorker(Protocol):
    """A worker's process that can be seen; what each means stands in `supervisor.LiveWorker`."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def calls(self) -> int:
        """How many it was given."""

    @property
    def counted_load(self) -> int | None:
        """How many it says it holds."""

    @property
    def illness(self) -> Illness | None:
        """What it suffers from."""

    @property
    def is_gone(self) -> bool:
        """Whether it can take no call any more."""


def pool_snapshot(  # noqa: PLR0913 (one argument a field)
    *,
    name: str,
    ledger: SchedulerSnapshot,
    calls: Mapping[CallId, ObservedCall],
    workers: Mapping[WorkerId, ObservedWorker],
    circuits: Mapping[str, str],
    names: Mapping[SessionId, tuple[str, ...]],
    tools: tuple[ToolSpec, ...],
    finished: int,
    recent: Recent,
    last_correlation_id: CorrelationId | None,
    problems: tuple[str, ...],
    given_up: tuple[WorkerId, ...],
    happenings: tuple[Happening, ...],
    now: float,
) -> PoolSnapshot:
    """Joins the scheduler's ledger with what the pool knows of its calls and processes."""

    def seen(call_ids: tuple[CallId, ...]) -> tuple[CallSnapshot, ...]:
        return tuple(calls[call_id].snapshot(now) for call_id in call_ids if call_id in calls)

    return PoolSnapshot(
        name=name,
        workers=tuple(
            _worker_status(worker, workers.get(worker.worker_id), seen(worker.calls))
            for worker in ledger.workers
        ),
        queued=seen(ledger.queued),
        sessions=tuple(
            SessionStatus(
                session_id=session_id,
                worker_id=worker.worker_id,
                names=names.get(session_id, ()),
            )
            for worker in ledger.workers
            for session_id in worker.sessions
        ),
        tools=tools,
        finished=finished,
        recent=recent,
        last_correlation_id=last_correlation_id,
        circuits=circuits,
        problems=problems,
        given_up=given_up,
        happenings=happenings,
    )


def _worker_status(
    worker: WorkerSnapshot, process: ObservedWorker | None, calls: tuple[CallSnapshot, ...]
) -> WorkerStatus:
    """Joins what the ledger has of a worker with its process, if it has one by now."""
    return WorkerStatus(
        worker_id=worker.worker_id,
        state=_state(worker, process),
        pid=None if process is None else process.pid,
        capacity=worker.capacity,
        load=worker.load,
        counted_load=None if process is None else process.counted_load,
        served=0 if process is None else max(0, process.calls - worker.load),
        sessions=worker.sessions,
        calls=calls,
    )


def _state(worker: WorkerSnapshot, process: ObservedWorker | None) -> str:
    if process is not None and process.is_gone:
        return "lost"
    if process is not None and process.illness is not None:
        return process.illness
    if worker.state is not WorkerState.READY:
        return str(worker.state)
    return "busy" if worker.load else "idle"
