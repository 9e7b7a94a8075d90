"""The catalogue of what is told: each event's name, its measurements and its metadata.

Fields that are numbers are measurements, fields that are texts are metadata. Seconds and bytes are
what their names say. What the pool tells begins with `pool.`, what a worker tells with `worker.`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

_ABOUT_IT = frozenset({"at"})  # neither measured nor said


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    kind: ClassVar[str] = ""
    """The dotted name in the catalogue; empty for what is only a base of others."""
    at: int = field(default_factory=time.time_ns, compare=False)
    """Nanoseconds since 1970."""

    @property
    def name(self) -> str:
        """The dotted name."""
        return self.kind

    @property
    def measurements(self) -> Mapping[str, float]:
        """The numbers, by name."""
        return {name: value for name, value in self._told() if not isinstance(value, str)}

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts, by name; empty where there is nothing to say."""
        return {name: str(value) for name, value in self._told() if isinstance(value, str)}

    def _told(self) -> list[tuple[str, float | str]]:
        names = (each.name for each in fields(self) if each.name not in _ABOUT_IT)
        return [(name, getattr(self, name)) for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPool(Event):
    """What happened in a pool."""

    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfWorker(OfPool):
    """What happened to a worker."""

    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCall(OfPool):
    """What happened to a call."""

    tool: str
    """`cell`, or what people call the tool."""
    call_id: str
    correlation_id: str
    session_id: str
    worker_id: str
    """Empty before one is granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSession(OfPool):
    """What happened to a session."""

    session_id: str
    worker_id: str
    """Where its state lives, or lived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStarted(OfPool):
    """A pool begins to start its workers."""

    kind: ClassVar[str] = "pool.started"
    workers: int
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReady(OfPool):
    """Each of a pool's first workers serves or has failed to start."""

    kind: ClassVar[str] = "pool.ready"
    workers: int
    """Those that serve."""
    capacity: int
    seconds: float
    """Since the pool's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolResized(OfPool):
    """A pool shall have another number of workers."""

    kind: ClassVar[str] = "pool.resized"
    workers: int
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStopped(OfPool):
    """A pool has ended; no worker of it is left."""

    kind: ClassVar[str] = "pool.stopped"
    finished: int
    """Calls that ended in its life, well or not."""
    seconds: float
    """Since its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSaturated(OfCall):
    """A call was refused, because as many wait as may."""

    kind: ClassVar[str] = "pool.saturated"
    queue_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCapacityReached(OfWorker):
    """A worker says that it is full."""

    kind: ClassVar[str] = "pool.capacity_reached"
    capacity: int
    load: int
    """The worker's count."""
    booked: int
    """The pool's count."""
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(OfWorker):
    """A worker serves."""

    kind: ClassVar[str] = "pool.worker.started"
    seconds: float
    """From the wish to have it."""
    pid: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStartFailed(OfWorker):
    """A worker did not get ready."""

    kind: ClassVar[str] = "pool.worker.start_failed"
    seconds: float
    error: str
    """The error's type; the pool's problems have its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRetired(OfWorker):
    """A worker takes no more calls and ends after those that it runs."""

    kind: ClassVar[str] = "pool.worker.retired"
    load: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded(OfWorker):
    """A worker's process has ended, for whatever reason."""

    kind: ClassVar[str] = "pool.worker.ended"
    seconds: float
    """For which it served."""
    peak_memory: int
    """Bytes of the process itself; 0 where that is not known."""
    how: str
    """Its exit code or signal."""
    because: str
    """What the pool ended it for; empty where it ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKilled(OfWorker):
    """A worker has ended because the pool killed it. `WorkerEnded` is told too."""

    kind: ClassVar[str] = "pool.worker.killed"
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCrashed(OfWorker):
    """A worker has ended by itself. `WorkerEnded` is told too."""

    kind: ClassVar[str] = "pool.worker.crashed"
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceGivenUp(OfWorker):
    """Too many workers crashed in one place; none takes the place of this one."""

    kind: ClassVar[str] = "pool.worker.given_up"
    crashes: int
    """In less than a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTainted(OfWorker):
    """A worker gets no calls any more but those that nobody else can run."""

    kind: ClassVar[str] = "pool.worker.tainted"
    because: str
    """`frozen`, `in native code`, `stuck` or `tainted`: see `scheduling.health.Illness`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCleared(OfWorker):
    """A tainted worker is well again."""

    kind: ClassVar[str] = "pool.worker.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened(OfPool):
    """A tool has failed too often in a row, and is not called for a while."""

    kind: ClassVar[str] = "pool.breaker.opened"
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed(OfPool):
    """A tool that was not called has been tried with success."""

    kind: ClassVar[str] = "pool.breaker.closed"
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSubmitted(OfCall):
    """A call wants a share of a worker."""

    kind: ClassVar[str] = "pool.call.submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGranted(OfCall):
    """A call has its share of a worker."""

    kind: ClassVar[str] = "pool.call.granted"
    waited_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(OfCall):
    """A call's worker was lost, and the call is run again. `worker_id` is the lost one's."""

    kind: ClassVar[str] = "pool.call.retried"
    attempt: int
    """The number of the one that was lost, from 1."""
    delay_seconds: float
    progress: str
    """How far it had come: `not_started`, `started`, `finished` or `unknown`."""
    how: str
    """How the worker ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(OfCall):
    """A call is over."""

    kind: ClassVar[str] = "pool.call.ended"
    seconds: float
    """Since its submission."""
    outcome: str
    """`ok`, `failed`, `timeout`, `cancelled`, `crashed` or `refused`."""
    error: str
    """The error's type; empty where it went well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTimeout(OfCall):
    """A call waited for a worker for longer than it may. `CallEnded` is told too."""

    kind: ClassVar[str] = "pool.queue.timeout"
    waited_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded(OfCall):
    """A streaming tool's call is over, well or not. `CallEnded` is told too."""

    kind: ClassVar[str] = "pool.stream.ended"
    chunks: int
    bytes: int
    """Of their data, on the line."""
    outcome: str
    """As `CallEnded` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRecognised(OfCall):
    """A tool raised an error of a kind that is well known."""

    kind: ClassVar[str] = "pool.tool.problem"
    problem: str
    """`shape_mismatch`, `broadcast`, `device_mismatch`, `device_unavailable`, `out_of_memory`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SerializationFailed(OfCall):
    """A value did not travel. Its type is told, never the value."""

    kind: ClassVar[str] = "pool.serialization.failed"
    direction: str
    """`there` or `back`."""
    type_name: str
    """Empty where it is not a matter of a type, such as of a message that is too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettled(OfSession):
    """A session's state lives in a worker from now on; told late to whoever listens late."""

    kind: ClassVar[str] = "pool.session.settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost(OfSession):
    """A session's worker is gone, or takes no more calls, and its state is lost."""

    kind: ClassVar[str] = "pool.session.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpired(OfSession):
    """A session had no call for too long."""

    kind: ClassVar[str] = "pool.session.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(OfSession):
    """A session was ended by its user."""

    kind: ClassVar[str] = "pool.session.ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCleaned(OfSession):
    """A worker has let go of a session that expired or was ended."""

    kind: ClassVar[str] = "pool.cleanup.session"
    freed: int
    """How much there was, as the worker counts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent(OfWorker):
    """A worker tells something: its name is `worker.` and what the worker calls it."""

    kind: ClassVar[str] = "worker.*"
    event: str
    correlation_id: str
    values: Mapping[str, float]
    texts: Mapping[str, str]

    @property
    def name(self) -> str:
        """The dotted name."""
        return f"worker.{self.event}"

    @property
    def measurements(self) -> Mapping[str, float]:
        """The numbers that the worker gave."""
        return self.values

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that the worker gave, and whose they are."""
        ours = {
            "pool": self.pool,
            "worker_id": self.worker_id,
            "correlation_id": self.correlation_id,
        }
        return {**self.texts, **ours}


CATALOGUE: Mapping[str, type[Event]] = {
    found.kind: found
    for found in tuple(globals().values())
    if isinstance(found, type) and issubclass(found, Event) and found.kind
}
"""Every event by its name; nothing else is ever told."""
