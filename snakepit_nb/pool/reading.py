"""What metrics and observers read of a pool."""

import time

from snakepit_nb.calls import ToolSpec
from snakepit_nb.telemetry.metrics import PoolReading, WorkerReading

from .dispatch import Dispatch
from .snapshot import PoolSnapshot, pool_snapshot


def pool_reading(dispatch: Dispatch) -> PoolReading:
    """Reads a pool for its metrics, on whatever thread collects them, while its loop goes on.

    Each collection is copied in one step, under the GIL.
    """
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


def tools_of(dispatch: Dispatch) -> tuple[ToolSpec, ...]:
    """Returns what the workers offer."""
    for worker in dispatch.workers.values():
        return worker.tools
    return ()


def snapshot_of(dispatch: Dispatch) -> PoolSnapshot:
    """Returns what an observer may see now."""
    now = time.monotonic()
    return pool_snapshot(
        name=dispatch.settings.name,
        ledger=dispatch.scheduler.snapshot(),
        calls=dispatch.calls,
        workers=dispatch.workers,
        circuits=dispatch.circuits.not_closed,
        names=dispatch.names,
        tools=tools_of(dispatch),
        finished=dispatch.finished,
        recent=dispatch.telling.recent.look(now),
        last_correlation_id=dispatch.last_correlation_id,
        problems=tuple(dispatch.problems),
        given_up=tuple(dispatch.worker_telling.given_up),
        happenings=dispatch.worker_telling.happenings.last,
        now=now,
    )
