"""A waterfall as text, for terminals of 100 columns. No clock, no widget."""

import textwrap
from collections.abc import Iterator

from .timeline import Where
from .trace_bars import bar
from .trace_model import Waterfall
from .trace_row import Row
from .trace_words import DEEPEST, duration, headline, legend, notes, remark

WIDTH = 100

_LABEL_WIDTH = 32
_BAR_WIDTH = 38
_REMARK_WIDTH = 14
_MARKS: dict[Where | None, str] = {
    Where.KERNEL: "▂",
    Where.POOL: "▄",
    Where.QUEUE: "░",
    Where.WAY: "▒",
    Where.WORKER: "▓",
    Where.CODE: "█",
    None: "·",
}


def as_text(shown: Waterfall) -> str:
    """Draws a waterfall."""
    return "\n".join(
        [
            f"{headline(shown)} · {shown.correlation_id}",
            *textwrap.wrap(shown.sentence, WIDTH),
            *_legend(shown),
            *(line for row in shown.rows for line in _lines(row)),
            *notes(shown),
        ]
    )


def _legend(shown: Waterfall) -> list[str]:
    words = [f"{_MARKS[where]} {words}" for where, words in legend(shown)]
    unbroken = "   ".join(word.replace(" ", "\xa0") for word in words)
    return [line.replace("\xa0", " ") for line in textwrap.wrap(unbroken, WIDTH)]


def _lines(row: Row) -> Iterator[str]:
    indent = "  " * min(row.depth, DEEPEST) + ("✗ " if row.is_failed else "")
    label = _cut(indent + row.label, _LABEL_WIDTH)
    remarked = _cut(remark(row), _REMARK_WIDTH)
    yield f"{label:<{_LABEL_WIDTH}} │{_bar(row)}│ {duration(row):>9}  {remarked}".rstrip()
    if row.error:
        yield _cut(" " * len(indent) + row.error, WIDTH)


def _bar(row: Row) -> str:
    runs = bar(row, _BAR_WIDTH)
    drawn = "".join(_MARKS[run.where] * (run.ended - run.begun) for run in runs)
    return (" " * runs[0].begun + drawn).ljust(_BAR_WIDTH)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
