"""What an observer may see of a pool: frozen values."""

from dataclasses import dataclass
from enum import StrEnum

from snakepit_nb.identifiers import CallId, SessionId, WorkerId


class WorkerState(StrEnum):
    """A worker's life, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """Finishes its calls and takes no new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSnapshot:
    """One worker at one moment."""

    worker_id: WorkerId
    state: WorkerState
    is_tainted: bool
    """It may be ill, and takes no more than it must."""
    capacity: int
    load: int
    since: float
    """When `state` or `load` last changed, on the pool's monotonic clock."""
    sessions: tuple[SessionId, ...]
    calls: tuple[CallId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSnapshot:
    """The scheduler's whole ledger at one moment."""

    workers: tuple[WorkerSnapshot, ...]
    queued: tuple[CallId, ...]

    @property
    def load(self) -> int:
        """How many calls hold a share of a worker."""
        return sum(worker.load for worker in self.workers)

    @property
    def capacity(self) -> int:
        """How many calls the workers that are ready can hold."""
        return sum(worker.capacity for worker in self.workers if worker.state is WorkerState.READY)
