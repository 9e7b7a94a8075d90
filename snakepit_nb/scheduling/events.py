"""What the pool tells the scheduler."""

from dataclasses import dataclass

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolResized:
    """The pool shall have this many workers."""

    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """A worker that was to be started can take calls, `capacity` of them at once."""

    worker_id: WorkerId
    capacity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFailed:
    """A worker that was to be started did not get ready."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """A worker is gone, and all that it ran and held with it."""

    worker_id: WorkerId
    has_crashed: bool = False
    """Nobody wanted it to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRetired:
    """A worker shall finish its calls and take no more."""

    worker_id: WorkerId
    is_replaced: bool = True
    """Another is to take its place; else that place is to be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDue:
    """A worker shall go on until another is ready to take its place, and then end as if retired."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTainted:
    """A worker may be ill: it shall run what belongs to it, and else only what nobody else can."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCleared:
    """A worker is well again."""

    worker_id: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSubmitted:
    """A call wants a share of a worker."""

    call_id: CallId
    session_id: SessionId | None = None
    affinity: Affinity = Affinity.HINT
    keeps_session: bool = False
    """Its session never expires."""
    worker_id: WorkerId | None = None
    """The only worker that it wants; its session, if it has no home, settles there."""
    is_manual: bool = False
    """It is a lease that the caller took by hand."""
    is_cell: bool = False
    """Of a session's cells one runs at a time, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """A call needs its share or its place in the queue no more, for whatever reason."""

    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAbandoned:
    """Nobody waits any more for a call that its worker cannot stop: the worker has to go with it.

    The share stays booked until the worker is lost.
    """

    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """A session's state is not wanted any longer. Its calls, also those that wait, still run."""

    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """Nothing happened for a while: look what has expired."""


CallEvent = CallSubmitted | CallEnded | CallAbandoned
WorkerLife = WorkerReady | WorkerFailed | WorkerLost | WorkerRetired
WorkerEvent = WorkerLife | WorkerDue | WorkerTainted | WorkerCleared
Event = CallEvent | WorkerEvent | PoolResized | SessionEnded | TimePassed
