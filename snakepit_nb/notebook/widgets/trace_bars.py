"""The bar of a row as a number of columns, of which each has one look. No clock, no widget."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from .timeline import Where
from .trace_row import Row, Segment

_Share = defaultdict[Where | None, float]
"""Of one column: how much of it is what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Columns of one look."""

    begun: int
    ended: int
    where: Where | None
    """None: rows beneath show where this time went."""


def bar(row: Row, columns: int) -> tuple[Run, ...]:
    """Lays a row's bar out over so many columns; what is there has at least one of them."""
    first = min(int(row.offset * columns), columns - 1)
    last = min(max(first + 1, round((row.offset + row.length) * columns)), columns)
    looks = [_look(row, share) for share in _shares(row, columns, first, last)]
    runs: list[Run] = []
    for look, group in groupby(looks):
        begun = runs[-1].ended if runs else first
        runs.append(Run(begun=begun, ended=begun + len([*group]), where=look))
    return tuple(runs)


def _shares(row: Row, columns: int, first: int, last: int) -> list[_Share]:
    """Tells for each column how much of it is what."""
    shares: list[_Share] = [defaultdict(float) for _ in range(first, last)]
    pieces: tuple[Row | Segment, ...] = (row, *row.segments)
    for piece in pieces:
        begun, ended = piece.offset * columns, (piece.offset + piece.length) * columns
        for column in range(max(first, int(begun)), min(last, ceil(ended))):
            share = shares[column - first]
            overlap = min(ended, column + 1) - max(begun, column)
            share[None] += overlap if piece is row else -overlap
            if isinstance(piece, Segment):
                share[piece.where] += overlap
    return shares


def _look(row: Row, share: _Share) -> Where | None:
    look, size = max(share.items(), key=lambda item: item[1], default=(row.where, 0.0))
    return look if size > 0 else row.where
