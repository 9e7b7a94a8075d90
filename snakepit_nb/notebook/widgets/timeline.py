"""Where time goes while spans lie over each other. No clock, no widget."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from snakepit_nb.observations import Part, SpanRecord


class Where(StrEnum):
    """Where time goes. Where several go on at once, the later in this list has it."""

    KERNEL = "kernel itself"
    """The code of the cell or script, outside of its calls."""
    POOL = "pool"
    """A call's way through the pool, where it neither waits nor is sent."""
    QUEUE = "queue wait"
    WAY = "on the way"
    """To the worker and back: what the kernel waits while the worker does nothing for it."""
    WORKER = "worker"
    """The worker's own work around the user's code."""
    CODE = "your code"


_OF_PARTS = {
    Part.CELL: Where.KERNEL,
    Part.CALL: Where.POOL,
    Part.QUEUE: Where.QUEUE,
    Part.RPC: Where.WAY,
    Part.WORKER: Where.WORKER,
    Part.TOOL: Where.CODE,
}
_RANKS: tuple[Where | None, ...] = (*Where, None)


def where(span: SpanRecord) -> Where:
    """Tells where the time of a span goes that nothing beneath it accounts for."""
    if span.part is None:  # a span that user code has made
        return Where.CODE if span.worker_id else Where.KERNEL
    return _OF_PARTS[span.part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of time, in nanoseconds since 1970."""

    begun: int
    ended: int
    where: Where | None
    """None: it hides what lies under it, and is told elsewhere."""

    @property
    def length(self) -> int:
        """How long it is."""
        return self.ended - self.begun


def timeline(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Lays stretches over each other; of those that it returns, no two meet in time."""
    changes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for stretch in stretches:
        if stretch.length > 0:
            rank = _RANKS.index(stretch.where)
            changes[stretch.begun].append((rank, 1))
            changes[stretch.ended].append((rank, -1))
    found: list[Stretch] = []
    open_now = [0] * len(_RANKS)
    before = 0
    for at in sorted(changes):
        top = max((rank for rank, number in enumerate(open_now) if number), default=None)
        if top is not None:
            _append(found, Stretch(begun=before, ended=at, where=_RANKS[top]))
        for rank, step in changes[at]:
            open_now[rank] += step
        before = at
    return tuple(stretch for stretch in found if stretch.where is not None)


def _append(found: list[Stretch], stretch: Stretch) -> None:
    if found and found[-1].ended == stretch.begun and found[-1].where == stretch.where:
        found[-1] = replace(found[-1], ended=stretch.ended)
    else:
        found.append(stretch)


class Axis:
    """Turns moments into fractions of the time in which anything went on."""

    def __init__(self, busy: Iterable[Stretch]) -> None:
        self.busy = timeline(replace(stretch, where=Where.KERNEL) for stretch in busy)
        self.length = sum(stretch.length for stretch in self.busy)

    def fraction(self, at: int) -> float:
        """Tells how much of it is past at a moment, from 0 to 1."""
        past = sum(min(max(at - each.begun, 0), each.length) for each in self.busy)
        return past / self.length if self.length else 0.0
