"""A stream as plain lines: what a chunk says, and how the stream ended. No clock, no widget."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from numbers import Real

from snakepit_nb.calls import ToolChunk

from .short_text import short_value

MOST_VALUES = 12
"""Of so many fields at once a line or a view tells."""
PROGRESS = "progress"

DONE = "done"
CANCELLED = "cancelled"

_ALL_PERCENT = 100


def as_text_line(chunk: ToolChunk) -> str:
    """One chunk as a line that is the same in every run: `[ 50%] epoch=3 accuracy=0.91`."""
    fraction = fraction_in(chunk.data)
    words = [] if fraction is None else [f"[{fraction:4.0%}]"]
    for key, value in islice(fields_in(chunk.data), MOST_VALUES):
        if fraction is None or key != PROGRESS:
            words.append(f"{short_value(key)}={short_value(value)}" if key else short_value(value))
    return " ".join(words) or "{}"


def as_summary(tool_name: str, chunks: int, outcome: str) -> str:
    """A stream as a line that is the same in every run: `train: 10 chunks, done`."""
    return f"{tool_name}: {counted_chunks(chunks)}, {outcome}"


def counted_chunks(number: int) -> str:
    """Says how many there are."""
    return "1 chunk" if number == 1 else f"{number:,} chunks"


def fraction_in(data: object) -> float | None:
    """A chunk's `progress`, which tools give from 0 to 1 or, above 1, in percent."""
    return as_fraction(data.get(PROGRESS)) if isinstance(data, Mapping) else None


def as_fraction(progress: object) -> float | None:
    """What a `progress` means, from 0 to 1; None: it means none."""
    given = as_number(progress)
    if given is None or math.isnan(given):
        return None
    return min(max(given / _ALL_PERCENT if given > 1 else given, 0.0), 1.0)


def as_number(value: object) -> float | None:
    """A number as a float; None for all else, and for truth values."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def fields_in(data: object) -> Iterator[tuple[object, object]]:
    """The fields of a chunk. What has none is one field, whose key is empty."""
    if isinstance(data, Mapping):
        yield from data.items()
    else:
        yield "", data
