"""How much memory workers hold."""

from dataclasses import replace

from snakepit_nb.launch.process_look import look_at

from .snapshot import PoolSnapshot, WorkerStatus


def with_memory(snapshot: PoolSnapshot) -> PoolSnapshot:
    """Adds what the system says of the workers' processes. It blocks for a moment."""
    return replace(snapshot, workers=tuple(map(_measured, snapshot.workers)))


def _measured(worker: WorkerStatus) -> WorkerStatus:
    look = None if worker.pid is None else look_at(worker.pid)
    return worker if look is None else replace(worker, memory=look.memory)
