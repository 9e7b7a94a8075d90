"""What a pool looks like at one moment, as a value ready to be drawn. No clock, no widget."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from snakepit_nb.blocking.short_text import (
    fine_seconds,
    plain_line,
    short_bytes,
    short_rate,
    short_seconds,
)
from snakepit_nb.identifiers import WorkerId, place_name
from snakepit_nb.pool.snapshot import (
    CallSnapshot,
    Happening,
    PoolSnapshot,
    SessionStatus,
    WorkerStatus,
)
from snakepit_nb.scheduling.health import Illness

from .status_view import counted

Number = TypeVar("Number", int, float)
Item = TypeVar("Item")

MOST_LINES = 4
"""So many calls of a worker are named."""
MOST_LISTED = 5
LONGEST_NAME = 40
LONGEST_WORDS = 80


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
class Listing:
    """A title, and the first of the lines that belong below it."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0
    """How many are not shown."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool."""

    name: str
    is_running: bool
    workers: int
    """Those that stay."""
    facts: tuple[tuple[str, str], ...]
    """Names and values."""
    tiles: tuple[Tile, ...]
    lines: int
    """For how many calls each tile has room: the same for all, so that none jumps."""
    lists: tuple[Listing, ...]


def pool_view(snapshot: PoolSnapshot, *, is_running: bool = True) -> PoolView:
    """Draws up a pool; one that does not run, as it was when it was stopped."""
    if not is_running:
        snapshot = _stopped(snapshot)
    workers = snapshot.workers
    capacity = max((worker.capacity for worker in workers), default=1)
    return PoolView(
        name=plain_line(snapshot.name, LONGEST_NAME),
        is_running=is_running,
        workers=sum(worker.state != "draining" for worker in workers),
        facts=_facts(snapshot),
        tiles=(*map(_tile, _in_order(workers)), *map(_given_up, snapshot.given_up)),
        lines=min(max(capacity, 1), MOST_LINES),
        lists=(
            _listing("Waiting", snapshot.queued, _waiting),
            _listing("Sessions", snapshot.sessions, _session),
            _listing("Last events", snapshot.happenings[::-1], _told),
        ),
    )


def _facts(snapshot: PoolSnapshot) -> tuple[tuple[str, str], ...]:
    recent, workers = snapshot.recent, snapshot.workers
    longest = max((call.seconds for call in snapshot.queued), default=None)
    memory = sum(worker.memory or 0 for worker in workers)
    load = sum(worker.load for worker in workers)
    capacity = sum(worker.capacity for worker in workers)
    return (
        ("load", f"{load}/{capacity}"),
        ("waiting", str(len(snapshot.queued))),
        ("longest wait", _or_dash(longest, short_seconds)),
        ("calls/s", short_rate(recent.per_second, 1)),
        ("p50", _or_dash(recent.median, fine_seconds)),
        ("p95", _or_dash(recent.slow, fine_seconds)),
        ("finished", f"{snapshot.finished:,}"),
        ("memory", _or_dash(memory or None, short_bytes)),
    )


def _in_order(workers: Iterable[WorkerStatus]) -> list[WorkerStatus]:
    """By place; behind them those that end while another serves in their place already."""
    workers = list(workers)
    staying = {place_name(w.worker_id) for w in workers if w.state != State.DRAINING}
    return sorted(
        workers, key=lambda w: w.state == State.DRAINING and place_name(w.worker_id) in staying
    )


def _tile(worker: WorkerStatus) -> Tile:
    state = _state(worker)
    return Tile(
        worker_id=worker.worker_id,
        state=state,
        words=worker.state if state is State.UNRESPONSIVE else state,
        load=worker.load,
        capacity=worker.capacity,
        calls=tuple(
            _line(call, call.seconds - call.waited_seconds) for call in worker.calls[:MOST_LINES]
        ),
        more=max(0, len(worker.calls) - MOST_LINES),
        facts=" · ".join(_facts_of(worker)),
        can_change=state in STEADY,
    )


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


def _given_up(worker_id: WorkerId) -> Tile:
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


def _stopped(snapshot: PoolSnapshot) -> PoolSnapshot:
    workers = (
        replace(worker, state=State.STOPPED, load=0, counted_load=None, calls=(), memory=None)
        for worker in snapshot.workers
    )
    return replace(snapshot, workers=tuple(workers), queued=())


def _line(call: CallSnapshot, seconds: float) -> Line:
    session = "" if call.session_id is None else f", session {_name(call.session_id)}"
    overdue = ", over its time" if call.is_overdue else ""
    return Line(
        text=_name(call.what),
        aside=short_seconds(max(0.0, seconds)),
        hint=f"{_name(call.what)}{session}{overdue}, {call.correlation_id}",
        call_id=call.call_id,
        is_overdue=call.is_overdue,
    )


def _waiting(call: CallSnapshot) -> Line:
    return _line(call, call.seconds)


def _session(session: SessionStatus) -> Line:
    return Line(text=_name(session.session_id), aside=session.worker_id)


def _told(happening: Happening) -> Line:
    at = datetime.fromtimestamp(happening.at // 1_000_000_000, tz=UTC).astimezone()
    words = plain_line(happening.words, LONGEST_WORDS)
    return Line(text=words, aside=f"{at:%H:%M:%S}", hint=words)


def _listing(title: str, items: Sequence[Item], line_of: Callable[[Item], Line]) -> Listing:
    return Listing(
        title=title,
        lines=tuple(map(line_of, items[:MOST_LISTED])),
        more=max(0, len(items) - MOST_LISTED),
    )


def _name(text: str) -> str:
    return plain_line(text, LONGEST_NAME)


def _or_dash(value: Number | None, write: Callable[[Number], str]) -> str:
    return "-" if value is None else write(value)
