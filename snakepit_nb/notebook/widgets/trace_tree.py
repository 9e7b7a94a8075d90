"""The spans of a trace as the trees that they are, in the time of the kernel's clock. No clock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from snakepit_nb.observations import Part, SpanRecord

from .timeline import Stretch, where


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """A span with those beneath it, in the order in which they began."""

    span: SpanRecord
    begun: int
    """By the kernel's clock, in nanoseconds since 1970; so is `ended`, which is never before."""
    ended: int
    shift: int = 0
    """What was added to the times of a worker whose clock disagrees."""
    children: list["Node"] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it lasted, by the clock of its own process."""
        return max(self.span.seconds, 0.0)

    @property
    def stretch(self) -> Stretch:
        """The time that it covers."""
        return Stretch(begun=self.begun, ended=self.ended, where=where(self.span))


def trees(spans: Iterable[SpanRecord]) -> list[Node]:
    """Puts spans under their parents; what has none here is a root."""
    known = {span.span_id: span for span in spans}
    beneath: defaultdict[int | None, list[SpanRecord]] = defaultdict(list)
    for span in sorted(known.values(), key=lambda span: (span.begun, -span.ended, span.span_id)):
        beneath[span.parent_id if span.parent_id in known else None].append(span)
    roots = [_node(root) for root in beneath[None]]
    waiting = [*roots]  # not recursive: a user's spans may be nested as deep as the user's calls
    while waiting:
        node = waiting.pop()
        node.children = [_child(span, node) for span in beneath[node.span.span_id]]
        waiting += node.children
    return roots


def all_of(roots: Sequence[Node]) -> Iterator[Node]:
    """Returns nodes and all beneath them, parents first."""
    waiting = [*reversed(roots)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def _node(span: SpanRecord) -> Node:
    return Node(span=span, begun=span.begun, ended=max(span.begun, span.ended))


def _child(span: SpanRecord, parent: Node) -> Node:
    """Places a span of a worker within its parent: what its clock says does not hold here."""
    if not _is_in_worker(span):
        return _node(span)
    length = max(span.ended - span.begun, 0)
    shift = parent.shift
    if not _is_in_worker(parent.span):  # moved whole, with all beneath it, no further than it must
        latest = max(parent.ended - length, parent.begun)
        shift = _within(span.begun, parent.begun, latest) - span.begun
    begun = _within(span.begun + shift, parent.begun, parent.ended)
    ended = _within(begun + length, parent.begun, parent.ended)
    return Node(span=span, begun=begun, ended=ended, shift=shift)


def _is_in_worker(span: SpanRecord) -> bool:
    return bool(span.worker_id) or span.part in (Part.WORKER, Part.TOOL)


def _within(at: int, lowest: int, highest: int) -> int:
    return min(max(at, lowest), highest)
