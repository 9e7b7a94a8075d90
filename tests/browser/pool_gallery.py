"""A pool with a worker in every state, as no real one has them all at once; run in a kernel."""

from dataclasses import asdict, replace
from time import time_ns

from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.notebook.widgets.pool_model import pool_view
from snakepit_nb.notebook.widgets.pool_panel import Drawn
from snakepit_nb.pool.recent import Recent
from snakepit_nb.pool.snapshot import (
    CallSnapshot,
    Happening,
    PoolSnapshot,
    SessionStatus,
    WorkerStatus,
)

STATES = (
    ("w0", "idle"),
    ("w1", "busy"),
    ("w2", "draining"),
    ("w3", "tainted"),
    ("w4", "in native code"),
    ("w5.1", "lost"),
    ("w6.2", "starting"),
    ("w7", "starting"),
)


def _call(number: int, what: str, seconds: float) -> CallSnapshot:
    return CallSnapshot(
        call_id=CallId(f"call-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        what=what,
        session_id=SessionId("notebook"),
        seconds=seconds,
        waited_seconds=0.5,
        is_overdue=number == 4,
    )


def _worker(number: int, name: str, state: str) -> WorkerStatus:
    runs = state in {"busy", "draining", "in native code"}
    calls = (_call(number, ["train", "a_tool_with_a_rather_long_name"][number % 2], 12 * number),)
    return WorkerStatus(
        worker_id=WorkerId(name),
        state=state,
        pid=None if state == "starting" else 4000 + number,
        capacity=0 if state == "starting" else 1,
        load=int(runs),
        counted_load=None,
        served=number * 731,
        sessions=(SessionId("notebook"),) if number == 1 else (),
        calls=calls if runs else (),
        memory=None if state == "starting" else (41 + number * number) << 20,
    )


SNAPSHOT = PoolSnapshot(
    name="default",
    workers=tuple(_worker(number, *state) for number, state in enumerate(STATES)),
    queued=tuple(_call(10 + number, "embed", 9.5 - number) for number in range(7)),
    sessions=(
        SessionStatus(session_id=SessionId("notebook"), worker_id=WorkerId("w1"), names=()),
        SessionStatus(session_id=SessionId("slow"), worker_id=WorkerId("w3"), names=()),
    ),
    tools=(),
    finished=12345,
    recent=Recent(per_second=87.3, median=0.0031, slow=0.0124),
    last_correlation_id=None,
    circuits={},
    problems=(),
    given_up=(WorkerId("w8.4"),),
    happenings=tuple(
        Happening(at=time_ns(), words=words)
        for words in ("w0 serves", "w3 is tainted", "w5.1 ended: signal 9", "w6.2 did not start")
    ),
)
EMPTY = replace(SNAPSHOT, workers=(), queued=(), sessions=(), given_up=(), happenings=())


def drawn(snapshot: PoolSnapshot) -> Drawn:
    return Drawn(view=asdict(pool_view(snapshot)), message="w2 ends after its calls.")
