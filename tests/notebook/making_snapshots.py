"""Snapshots of pools, of which a test says what matters to it."""

from dataclasses import replace
from typing import Any

from snakepit_nb.identifiers import CallId, CorrelationId, WorkerId
from snakepit_nb.pool.recent import Recent
from snakepit_nb.pool.snapshot import CallSnapshot, PoolSnapshot, WorkerStatus

IDLE_WORKER = WorkerStatus(
    worker_id=WorkerId("w0"),
    state="idle",
    pid=None,
    capacity=1,
    load=0,
    counted_load=None,
    served=0,
    sessions=(),
    calls=(),
)
QUIET_POOL = PoolSnapshot(
    name="default",
    workers=(),
    queued=(),
    sessions=(),
    tools=(),
    finished=0,
    recent=Recent(),
    last_correlation_id=None,
    circuits={},
    problems=(),
    given_up=(),
    happenings=(),
)
CALL = CallSnapshot(
    call_id=CallId("call-1"),
    correlation_id=CorrelationId("sp-1"),
    what="train",
    session_id=None,
    seconds=0.0,
    waited_seconds=0.0,
    is_overdue=False,
)


def a_worker(name: str = "w0", **details: Any) -> WorkerStatus:  # noqa: ANN401
    return replace(IDLE_WORKER, worker_id=WorkerId(name), **details)


def a_pool(*workers: WorkerStatus, **details: Any) -> PoolSnapshot:  # noqa: ANN401
    return replace(QUIET_POOL, workers=workers, **details)


def a_call(what: str = "train", **details: Any) -> CallSnapshot:  # noqa: ANN401
    return replace(CALL, what=what, **details)
