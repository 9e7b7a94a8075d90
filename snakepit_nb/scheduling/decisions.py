"""What the scheduler tells the pool to do."""

from dataclasses import dataclass

from snakepit_nb.identifiers import CallId, SessionId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorker:
    """Start a worker under this name and report it ready, failed or lost."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWorker:
    """Stop this worker: it runs nothing and gets no more calls. Report it lost when it ended."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLease:
    """The call may run on this worker; its share is booked already."""

    call_id: CallId
    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFull:
    """As many calls wait as may."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWorkers:
    """No worker takes calls, and none is being started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost:
    """The worker that held the session's state is gone. Said once; then the session begins anew."""

    session_id: SessionId
    worker_id: WorkerId


Refusal = QueueFull | NoWorkers | SessionLost


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseCall:
    """The call will not run."""

    call_id: CallId
    reason: Refusal


Decision = StartWorker | StopWorker | GrantLease | RefuseCall
