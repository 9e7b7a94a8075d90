"""What one row of a waterfall shows. No clock, no widget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import median

from snakepit_nb.blocking.short_text import fine_seconds, plain_line, short_value
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, PART_KEY, Attribute, Part, SpanRecord

from .timeline import Axis, Stretch, Where, timeline, where
from .trace_tree import Node, all_of

LONGEST_LABEL = 60
LONGEST_ERROR = 200
LONGEST_ID = 40
MOST_FACTS = 20

_OURS = "snakepit."
_WORKER_KEY = "snakepit.worker_id"
_CHUNKS_KEY = "snakepit.chunks"
_TOLD_ELSEWHERE = (PART_KEY, CORRELATION_ATTRIBUTE, _WORKER_KEY)
_LABELS = {
    Part.QUEUE: "queue wait",
    Part.RPC: "to the worker and back",
    Part.WORKER: "in the worker",
}

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of a row's bar. Offset and length are fractions of the trace."""

    offset: float
    length: float
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One span, or several that are alike. Offset and length are fractions of the trace."""

    depth: int
    label: str
    where: Where
    offset: float
    length: float
    segments: tuple[Segment, ...]
    """Where the time went that no row beneath this one shows."""
    seconds: float
    """How long it lasted; of several, all together."""
    worker_id: str = ""
    is_failed: bool = False
    error: str = ""
    """Of spans that failed by one error, only the innermost row tells it."""
    facts: Facts = ()
    alike: int = 0
    """For how many it stands that have no rows; 0: it is one span."""
    median: float = 0.0
    """Of their seconds."""


def row_of(
    node: Node, depth: int, axis: Axis, *, within: Sequence[Node], beneath: Sequence[Node]
) -> Row:
    """Makes the row of a span and of those shown `within` it; those `beneath` have their own."""
    span = node.span
    hidden = (replace(child.stretch, where=None) for child in beneath)
    offset, length = _place([node], axis)
    return Row(
        depth=depth,
        label=_label(node),
        where=where(span),
        offset=offset,
        length=length,
        segments=_segments([node.stretch, *(each.stretch for each in within), *hidden], axis),
        seconds=node.seconds,
        worker_id=_workers(node),
        is_failed=span.is_error,
        error="" if any(_tells_the_same(child.span, span) for child in beneath) else _error(span),
        facts=_facts(node, offset, axis),
    )


def row_of_alike(nodes: Sequence[Node], depth: int, axis: Axis) -> Row:
    """Makes the one row of several spans, with what lies beneath them."""
    offset, length = _place(nodes, axis)
    seconds = [node.seconds for node in nodes]
    return Row(
        depth=depth,
        label=f"… and {len(nodes)} more like these",
        where=where(nodes[0].span),
        offset=offset,
        length=length,
        segments=_segments((node.stretch for node in all_of(nodes)), axis),
        seconds=sum(seconds),
        facts=(("together", fine_seconds(sum(seconds))), ("longest", fine_seconds(max(seconds)))),
        alike=len(nodes),
        median=median(seconds),
    )


def _place(nodes: Sequence[Node], axis: Axis) -> tuple[float, float]:
    offset = axis.fraction(min(node.begun for node in nodes))
    return offset, axis.fraction(max(node.ended for node in nodes)) - offset


def _segments(stretches: Iterable[Stretch], axis: Axis) -> tuple[Segment, ...]:
    return tuple(
        Segment(offset=offset, length=axis.fraction(stretch.ended) - offset, where=stretch.where)
        for stretch in timeline(stretches)
        if stretch.where is not None
        for offset in [axis.fraction(stretch.begun)]
    )


def _label(node: Node) -> str:
    name = plain_line(node.span.name, LONGEST_LABEL)
    if node.span.part is None:
        return name
    told = (child.span.attributes.get(_CHUNKS_KEY) for child in node.children)
    chunks = sum(number for number in told if isinstance(number, int))
    if node.span.part is Part.CALL and chunks:
        return f"{name}, {chunks:,} chunk{'' if chunks == 1 else 's'}"
    return _LABELS.get(node.span.part, name)


def _workers(node: Node) -> str:
    """Names the worker of a span; of a call, all that it was sent to."""
    spans = [node.span, *(child.span for child in node.children if child.span.part is Part.RPC)]
    names = (span.worker_id or str(span.attributes.get(_WORKER_KEY, "")) for span in spans)
    return ", ".join(dict.fromkeys(plain_line(name, LONGEST_ID) for name in names if name))


def _tells_the_same(inner: SpanRecord, outer: SpanRecord) -> bool:
    """Tells whether `RemoteValueError: x` is `ValueError: x` as it arrived."""
    return inner.is_error and inner.error.partition(": ")[2] == outer.error.partition(": ")[2]


def _error(span: SpanRecord) -> str:
    return plain_line(span.error, LONGEST_ERROR)


def _facts(node: Node, offset: float, axis: Axis) -> Facts:
    attributes = (
        (key.removeprefix(_OURS), _described(key, value))
        for key, value in islice(node.span.attributes.items(), MOST_FACTS)
        if key not in _TOLD_ELSEWHERE
    )
    return (
        ("begins at", fine_seconds(offset * axis.length / 1e9)),
        ("lasts", fine_seconds(node.seconds)),
        *((plain_line(key, LONGEST_LABEL), text) for key, text in attributes),
    )


def _described(key: str, value: Attribute) -> str:
    """Writes an attribute; of texts that are not ours, which may be secret, only the length."""
    if isinstance(value, str) and not key.startswith(_OURS):
        return f"a text of {len(value):,} characters"
    return short_value(value)
