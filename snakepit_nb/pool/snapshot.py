"""What an observer may see of a pool: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.scheduling.health import Illness
from snakepit_nb.scheduling.snapshot import SchedulerSnapshot, WorkerSnapshot, WorkerState


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
    is_overdue: bool
    """Its time is over, and its worker has not stopped it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker."""

    worker_id: WorkerId
    state: str
    """`starting`, `idle`, `busy` or `draining`; of one that is ill, how: `frozen`, `stuck`, ..."""
    pid: int | None
    capacity: int
    load: int
    counted_load: int | None
    """The load as the worker itself counts it, where it is asked (strategy `hybrid`)."""
    sessions: tuple[SessionId, ...]
    calls: tuple[CallSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One session whose variables live in a worker."""

    session_id: SessionId
    worker_id: WorkerId
    names: tuple[str, ...]
    """Its variables, as its last cell left them."""


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
    last_correlation_id: CorrelationId | None
    circuits: Mapping[str, str]
    """The tools that are not called now (`open`), or only for a try (`half-open`)."""
    problems: tuple[str, ...]
    """Why workers did not start or ended on their own, oldest first."""


class Observed(Protocol):
    """A call that can be seen."""

    def snapshot(self, now: float) -> CallSnapshot:
        """Returns what may be seen of it."""


def pool_snapshot(  # noqa: PLR0913 (one argument a field)
    *,
    name: str,
    ledger: SchedulerSnapshot,
    calls: Mapping[CallId, Observed],
    pids: Mapping[WorkerId, int],
    counted_loads: Mapping[WorkerId, int | None],
    illnesses: Mapping[WorkerId, Illness | None],
    circuits: Mapping[str, str],
    names: Mapping[SessionId, tuple[str, ...]],
    tools: tuple[ToolSpec, ...],
    finished: int,
    last_correlation_id: CorrelationId | None,
    problems: tuple[str, ...],
    now: float,
) -> PoolSnapshot:
    """Joins the scheduler's ledger with what the pool knows of its calls and processes."""

    def seen(call_ids: tuple[CallId, ...]) -> tuple[CallSnapshot, ...]:
        return tuple(calls[call_id].snapshot(now) for call_id in call_ids if call_id in calls)

    return PoolSnapshot(
        name=name,
        workers=tuple(
            WorkerStatus(
                worker_id=worker.worker_id,
                state=illnesses.get(worker.worker_id) or _state(worker),
                pid=pids.get(worker.worker_id),
                capacity=worker.capacity,
                load=worker.load,
                counted_load=counted_loads.get(worker.worker_id),
                sessions=worker.sessions,
                calls=seen(worker.calls),
            )
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
        last_correlation_id=last_correlation_id,
        circuits=circuits,
        problems=problems,
    )


def _state(worker: WorkerSnapshot) -> str:
    if worker.state is not WorkerState.READY:
        return str(worker.state)
    return "busy" if worker.load else "idle"
