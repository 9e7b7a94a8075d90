"""What a pool looks like at one moment, as a value ready to be drawn. No clock, no widget."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from snakepit_nb.blocking.short_text import (
    fine_seconds,
    plain_line,
    short_bytes,
    short_rate,
    short_seconds,
)
from snakepit_nb.identifiers import place_name
from snakepit_nb.pool.snapshot import (
    CallSnapshot,
    Happening,
    PoolSnapshot,
    SessionStatus,
    WorkerStatus,
)

from .pool_tile import MOST_LINES, Line, State, Tile, call_line, given_up_tile, short_name, tile_of

Number = TypeVar("Number", int, float)
Item = TypeVar("Item")

MOST_LISTED = 5
LONGEST_WORDS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A title, and the first of the lines that belong below it."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0
    """How many are not shown."""


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
        name=short_name(snapshot.name),
        is_running=is_running,
        workers=sum(worker.state != "draining" for worker in workers),
        facts=_facts(snapshot),
        tiles=(*map(tile_of, _in_order(workers)), *map(given_up_tile, snapshot.given_up)),
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


def _stopped(snapshot: PoolSnapshot) -> PoolSnapshot:
    workers = (
        replace(worker, state=State.STOPPED, load=0, counted_load=None, calls=(), memory=None)
        for worker in snapshot.workers
    )
    return replace(snapshot, workers=tuple(workers), queued=())


def _waiting(call: CallSnapshot) -> Line:
    return call_line(call, call.seconds)


def _session(session: SessionStatus) -> Line:
    return Line(text=short_name(session.session_id), aside=session.worker_id)


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


def _or_dash(value: Number | None, write: Callable[[Number], str]) -> str:
    return "-" if value is None else write(value)
