"""What the scheduler tells the pool to do."""

from dataclasses import dataclass, field

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
class KillWorker:
    """Kill this worker: all that it still runs was given up."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """Let the worker free what it holds of a session that has expired."""

    session_id: SessionId
    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLease:
    """The call may run on this worker; its share is booked already."""

    call_id: CallId
    worker_id: WorkerId
    holds_state: bool = field(default=False, compare=False)
    """The call's session has had state on this worker before."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpired:
    """The session had no call for this long. Said once; then the session begins anew."""

    session_id: SessionId
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBusy:
    """The session's worker has no room, and the call does not want to wait."""

    session_id: SessionId
    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGone:
    """The only worker that the call wants takes no calls, or is none of this pool's."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManySessions:
    """The call would begin a session, and there are as many as may be."""

    limit: int


Refusal = (
    QueueFull
    | NoWorkers
    | SessionLost
    | SessionExpired
    | SessionBusy
    | WorkerGone
    | TooManySessions
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseCall:
    """The call will not run."""

    call_id: CallId
    reason: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpPlace:
    """No worker is started in place of this one, which was the last of too many."""

    worker_id: WorkerId
    crashes: int
    """So many of them, in less than a minute."""


Decision = (
    StartWorker | StopWorker | KillWorker | GiveUpPlace | EndSession | GrantLease | RefuseCall
)
