"""What metrics read of a pool, on whatever thread collects them."""

from snakepit_nb.telemetry.metrics import PoolReading, WorkerReading

from .dispatch import Dispatch


def pool_reading(dispatch: Dispatch) -> PoolReading:
    """Reads a pool while its loop goes on: each collection is copied in one step, under the GIL."""
    calls = tuple(dispatch.calls.values())
    return PoolReading(
        pool=dispatch.settings.name,
        queued=sum(call.worker_id is None for call in calls),
        workers=tuple(
            WorkerReading(
                worker_id=worker.worker_id,
                pid=worker.process.pid,
                load=dispatch.scheduler.load_of(worker.worker_id),
                capacity=worker.capacity,
            )
            for worker in tuple(dispatch.workers.values())
        ),
    )
