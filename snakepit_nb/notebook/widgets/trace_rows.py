"""Which spans of a trace have rows of their own, and in which order. No clock, no widget."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from snakepit_nb.observations import Part

from .timeline import Axis
from .trace_row import Row, row_of, row_of_alike
from .trace_tree import Node

MOST_ROWS_IN_FULL = 24
"""With more, a call's own parts are colours in its bar and have no rows."""
LONGEST_RUN = 8
"""Of more siblings of one name, most are put together in one row."""
FIRST_OF_A_RUN = 3

_PARTS_OF_A_CALL = (Part.QUEUE, Part.RPC, Part.WORKER, Part.TOOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """Siblings that are not shown one by one."""

    nodes: list[Node]


_Opened = tuple[list[Node], list[Node]]
"""What is shown within a node's row, and what has rows beneath it."""


def rows_of(roots: Sequence[Node], axis: Axis) -> list[Row]:
    """Makes the rows, parents first: in full, or where those are many without parts of calls."""
    rows = _rows(roots, axis, lambda node: ([], node.children))
    return rows if len(rows) <= MOST_ROWS_IN_FULL else _rows(roots, axis, _folded)


def _rows(roots: Sequence[Node], axis: Axis, opened: Callable[[Node], _Opened]) -> list[Row]:
    rows: list[Row] = []
    waiting = [(item, 0) for item in reversed(_grouped(roots))]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, _Alike):
            rows.append(row_of_alike(item.nodes, depth, axis))
        else:
            within, beneath = opened(item)
            rows.append(row_of(item, depth, axis, within=within, beneath=beneath))
            waiting += [(child, depth + 1) for child in reversed(_grouped(beneath))]
    return rows


def _folded(node: Node) -> _Opened:
    if node.span.part is not Part.CALL:
        return [], node.children
    within: list[Node] = []
    beneath: list[Node] = []
    waiting = [*reversed(node.children)]
    while waiting:
        child = waiting.pop()
        if child.span.part in _PARTS_OF_A_CALL:
            within.append(child)
            waiting += reversed(child.children)
        else:
            beneath.append(child)
    return within, beneath


def _grouped(siblings: Sequence[Node]) -> list[Node | _Alike]:
    """Puts together what is alike, but for the first ones, the slowest and those that failed."""
    groups: defaultdict[object, list[Node]] = defaultdict(list)
    for node in siblings:
        groups[node.span.part, node.span.name].append(node)
    rests: dict[Node, list[Node]] = {}  # each by the node that it follows
    for group in groups.values():
        shown = _shown_of(group)
        rest = [node for node in group if node not in shown]
        if len(rest) > 1:
            rests[shown[-1]] = rest
    left_out = {node for rest in rests.values() for node in rest}
    items: list[Node | _Alike] = []
    for node in siblings:
        if node not in left_out:
            items.append(node)
        if node in rests:
            items.append(_Alike(nodes=rests[node]))
    return items


def _shown_of(group: list[Node]) -> list[Node]:
    if len(group) <= LONGEST_RUN:
        return group
    slowest = max(group, key=lambda node: node.seconds)
    return [
        node
        for number, node in enumerate(group)
        if number < FIRST_OF_A_RUN or node is slowest or node.span.is_error
    ]
