"""What a worker looks like at one moment: a tile of its pool's picture. No clock, no widget."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from snakepit_nb.blocking.short_text import plain_line, short_bytes, short_seconds
from snakepit_nb.identifiers import WorkerId, place_name
from snakepit_nb.pool.snapshot import CallSnapshot, WorkerStatus
from snakepit_nb.scheduling.health import Illness

from .status_view import counted

MOST_LINES = 4
"""So many calls of a worker are named."""
LONGEST_NAME = 40


class State(StrEnum):
    """How a worker is, in a word."""

    READY = "ready"
    BUSY = "busy"
    STARTING = "starting"
    RESTARTING = "restarting"
    DRAINING = "draining"
    TAINTED = "tainted"
    UNRESPONSIVE = "unresponsive"
    LOST = "lost"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


STEADY = (State.READY, State.BUSY, State.TAINTED, State.UNRESPONSIVE)
"""In these a worker can be restarted or drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call, or whatever else takes a line."""

    text: str
    aside: str = ""
    """What stands at its end: how long, or when."""
    hint: str = ""
    """What is told of it on a closer look."""
    call_id: str = ""
    is_overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One worker."""

    worker_id: str
    state: State
    words: str
    """The state as it is written: of one that is unresponsive, in which way."""
    load: int
    capacity: int
    """0 where it is not known yet."""
    calls: tuple[Line, ...]
    more: int
    """How many further calls it runs."""
    facts: str
    can_change: bool
    """It can be restarted or drained."""


def tile_of(worker: WorkerStatus) -> Tile:
    """Draws up a worker."""
    state = _state(worker)
    named = worker.calls[:MOST_LINES]
    return Tile(
        worker_id=worker.worker_id,
        state=state,
        words=worker.state if state is State.UNRESPONSIVE else state,
        load=worker.load,
        capacity=worker.capacity,
        calls=tuple(call_line(call, call.seconds - call.waited_seconds) for call in named),
        more=len(worker.calls) - len(named),
        facts=" · ".join(_facts_of(worker)),
        can_change=state in STEADY,
    )


def given_up_tile(worker_id: WorkerId) -> Tile:
    """Draws up a place by the last worker that it had."""
    return Tile(
        worker_id=worker_id,
        state=State.GIVEN_UP,
        words=State.GIVEN_UP,
        load=0,
        capacity=0,
        calls=(),
        more=0,
        facts="it crashed too often",
        can_change=False,
    )


def call_line(call: CallSnapshot, seconds: float) -> Line:
    """Writes a call, with how long it waits or runs."""
    session = "" if call.session_id is None else f", session {short_name(call.session_id)}"
    overdue = ", over its time" if call.is_overdue else ""
    return Line(
        text=short_name(call.what),
        aside=short_seconds(max(0.0, seconds)),
        hint=f"{short_name(call.what)}{session}{overdue}, {call.correlation_id}",
        call_id=call.call_id,
        is_overdue=call.is_overdue,
    )


def short_name(text: str) -> str:
    """Writes a name from elsewhere."""
    return plain_line(text, LONGEST_NAME)


def _state(worker: WorkerStatus) -> State:
    match worker.state:
        case "idle":
            return State.READY
        case "starting" if place_name(worker.worker_id) != worker.worker_id:
            return State.RESTARTING
        case Illness.FROZEN | Illness.NATIVE | Illness.STUCK:
            return State.UNRESPONSIVE
        case known:
            return State(known)


def _facts_of(worker: WorkerStatus) -> Iterator[str]:
    if worker.memory is not None:
        yield short_bytes(worker.memory)
    if worker.counted_load not in (None, worker.load):
        yield f"it counts {worker.counted_load}"
    if worker.capacity:
        yield f"{worker.served:,} done"
    if worker.sessions:
        yield counted(len(worker.sessions), "session")
