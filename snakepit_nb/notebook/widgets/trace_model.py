"""A trace as a waterfall: its rows, and where its time went. No clock, no widget."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from snakepit_nb.blocking.short_text import fine_seconds, plain_line, short_percent
from snakepit_nb.identifiers import LONGEST_CORRELATION_ID
from snakepit_nb.observations import Part, Trace

from .timeline import Axis, Stretch, Where, timeline
from .trace_row import Row
from .trace_rows import rows_of
from .trace_tree import Node, all_of, trees

MOST_ROWS = 200
"""A saved notebook shall stay small."""
WORTH_TELLING = 0.05
"""Smaller shares are in the legend only."""

_SEVERAL = 1.05
"""From this many calls at once on average, they are worth telling."""
_PHRASES = {
    Where.KERNEL: "the kernel itself",
    Where.POOL: "the pool",
    Where.QUEUE: "waiting for a worker",
    Where.WAY: "the way to workers and back",
    Where.WORKER: "workers' own work",
    Where.CODE: "your code in workers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the time went to one place."""

    where: Where
    seconds: float
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """What a trace shows."""

    correlation_id: str
    trace_id: str
    cells: int
    calls: int
    failed: int
    """How many of the calls did not succeed."""
    seconds: float
    """From the cell's begin to its end, or to that of its last call where that is later."""
    accounted: float
    """The fraction of this time that lies within spans beneath the cell."""
    shares: tuple[Share, ...]
    """The largest first. Where several things go on at once, `Where` tells which has the time."""
    at_once: float
    """How many calls ran the user's code at once, on average of the time in which any did."""
    rows: tuple[Row, ...]
    more_rows: int
    more_failed: int
    """How many rows are left out, and how many of those failed."""
    untold: int
    """Of how many calls the worker has told nothing, so that its part counts as on the way."""
    dropped: int
    """How many spans were not kept."""

    @property
    def sentence(self) -> str:
        """Says where the time went."""
        told = [share for share in self.shares if share.fraction >= WORTH_TELLING]
        if not told:
            return "It took no time that can be measured."
        parts = [f"{short_percent(share.fraction)} into {self._phrase(share)}" for share in told]
        parts[0] = parts[0].replace(" into", " went into", 1)
        listed = " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
        return f"Of {fine_seconds(self.seconds)}, {listed}."

    def _phrase(self, share: Share) -> str:
        if share.where is Where.CODE and self.at_once >= _SEVERAL:
            return f"{_PHRASES[share.where]} ({self.at_once:.1f} calls at once)"
        return _PHRASES[share.where]


def waterfall(trace: Trace) -> Waterfall:
    """Makes a trace's waterfall."""
    roots = trees(trace.spans)
    nodes = [*all_of(roots)]
    cells = [node for node in nodes if node.span.part is Part.CELL]
    calls = [node for node in nodes if node.span.part is Part.CALL]
    axis = _axis(nodes, is_cut=bool(cells))
    rows = rows_of(roots, axis)
    return Waterfall(
        correlation_id=plain_line(trace.correlation_id, LONGEST_CORRELATION_ID),
        trace_id=f"{trace.trace_id:032x}",
        cells=len(cells),
        calls=len(calls),
        failed=sum(call.span.is_error for call in calls),
        seconds=axis.length / 1e9,
        accounted=_covered([node for node in nodes if node.span.part is not Part.CELL], axis),
        shares=_shares([*axis.busy, *(node.stretch for node in nodes)], axis),
        at_once=_at_once([node.stretch for node in nodes if node.span.part is Part.TOOL]),
        rows=tuple(rows[:MOST_ROWS]),
        more_rows=len(rows[MOST_ROWS:]),
        more_failed=sum(row.is_failed for row in rows[MOST_ROWS:]),
        untold=sum(node.span.part is Part.RPC and not node.children for node in nodes),
        dropped=trace.dropped,
    )


def _axis(nodes: Sequence[Node], *, is_cut: bool) -> Axis:
    """Cuts what lies between cells of one id, in which nobody waited for anything."""
    stretches = [node.stretch for node in nodes]
    if stretches and not is_cut:
        begun = min(stretch.begun for stretch in stretches)
        ended = max(stretch.ended for stretch in stretches)
        stretches = [Stretch(begun=begun, ended=ended, where=Where.KERNEL)]
    return Axis(stretches)


def _covered(nodes: Sequence[Node], axis: Axis) -> float:
    covered = Axis(node.stretch for node in nodes).length
    return covered / axis.length if axis.length else 1.0


def _shares(stretches: Iterable[Stretch], axis: Axis) -> tuple[Share, ...]:
    lengths: Counter[Where | None] = Counter()
    for stretch in timeline(stretches):
        lengths[stretch.where] += stretch.length
    return tuple(
        Share(where=where, seconds=length / 1e9, fraction=length / axis.length)
        for where, length in lengths.most_common()
        if where is not None
    )


def _at_once(tools: Sequence[Stretch]) -> float:
    union = Axis(tools).length
    return sum(tool.length for tool in tools) / union if union else 1.0
