"""What a stream looks like at one moment: as a value, as text and as HTML. No clock, no widget."""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Real

from snakepit_nb.blocking.short_text import one_line, short_rate, short_seconds, short_value
from snakepit_nb.calls import ToolChunk

from .looks import FAILED_TONE, FAINT, MONOSPACE, TEXT

RUNNING = "running"
DONE = "done"
CANCELLED = "cancelled"

MOST_VALUES = 12
LONGEST_OUTCOME = 200

_ALL_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """A stream at one moment. `elapsed` is in seconds, `fraction` from 0 to 1 where known."""

    tool_name: str
    correlation_id: str
    chunks: int = 0
    fraction: float | None = None
    values: tuple[tuple[str, str], ...] = ()
    """The last value of each key, ready to be shown. The key of what is no mapping is empty."""
    elapsed: float = 0.0
    outcome: str = RUNNING
    """`running`, `done`, `cancelled`, or `failed: ` and why."""


def advanced(state: StreamState, chunk: ToolChunk, elapsed: float) -> StreamState:
    """The state after one more chunk. The final chunk carries no data and does not count."""
    if chunk.is_final:
        return replace(state, elapsed=elapsed)
    fraction = _fraction_in(chunk.data)
    merged = {**dict(state.values), **dict(_values_in(chunk.data))}
    return replace(
        state,
        chunks=state.chunks + 1,
        fraction=state.fraction if fraction is None else fraction,
        values=tuple(merged.items())[-MOST_VALUES:],
        elapsed=elapsed,
    )


def ended(state: StreamState, outcome: str, elapsed: float) -> StreamState:
    """The last state of a stream."""
    return replace(state, outcome=one_line(outcome, LONGEST_OUTCOME), elapsed=elapsed)


def as_text_line(chunk: ToolChunk) -> str:
    """One chunk as a line that is the same in every run: `[ 50%] epoch=3 accuracy=0.91`."""
    fraction = _fraction_in(chunk.data)
    words = [] if fraction is None else [f"[{fraction:4.0%}]"]
    words += [f"{key}={value}" if key else value for key, value in _values_in(chunk.data)]
    return " ".join(words) or "{}"


def as_summary(state: StreamState) -> str:
    """The stream as a line that is the same in every run: `train: 10 chunks, done`."""
    return f"{state.tool_name}: {_counted_chunks(state)}, {state.outcome}"


def as_html(state: StreamState) -> str:
    """The stream as HTML that is at home in light and dark themes and reads well without them."""
    word, _, reason = state.outcome.partition(": ")
    tone = _TONES.get(word, FAILED_TONE)
    rows = [_heading(state, word=word, tone=tone)]
    if reason:
        rows.append(f'<div style="{MONOSPACE};color:{tone}">{html.escape(reason)}</div>')
    if state.values:
        cells = "\n".join(_cell(key, value) for key, value in state.values)
        rows.append(f'<div style="{_GRID}">{cells}</div>')
    rows.append(f'<div style="{FAINT};font-size:.9em">{_footer(state)}</div>')
    body = "\n".join(rows)
    return f'<div style="{_FRAME};border-left:3px solid {tone}">{body}</div>'


def _fraction_in(data: object) -> float | None:
    """A chunk's `progress`, which tools give from 0 to 1 or, above 1, in percent."""
    progress = data.get("progress") if isinstance(data, Mapping) else None
    if isinstance(progress, bool) or not isinstance(progress, Real):
        return None
    try:
        given = float(progress)
    except OverflowError:
        return None
    if math.isnan(given):
        return None
    ratio = given / _ALL_PERCENT if given > 1 else given
    return min(max(ratio, 0.0), 1.0)


def _values_in(data: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(data, Mapping):
        return (("", short_value(data)),)
    bar_shows = "progress" if _fraction_in(data) is not None else None
    items = ((key, value) for key, value in data.items() if bar_shows is None or key != bar_shows)
    return tuple(
        (short_value(key), short_value(value)) for key, value in islice(items, MOST_VALUES)
    )


def _counted_chunks(state: StreamState) -> str:
    return "1 chunk" if state.chunks == 1 else f"{state.chunks:,} chunks"


_TONES = {
    RUNNING: "var(--jp-brand-color1, #1976d2)",
    DONE: "var(--jp-success-color1, #388e3c)",
    CANCELLED: "var(--jp-warn-color1, #f57c00)",
}
_FRAME = f"max-width:680px;padding:2px 0 2px 12px;line-height:1.6;{TEXT}"
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(11em,1fr));column-gap:1.5em"
_CELL = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_WIDE = 16
"""From this many characters on, a value has a line for itself."""


def _heading(state: StreamState, *, word: str, tone: str) -> str:
    bar = "" if state.fraction is None else _bar(state.fraction, tone)
    return (
        '<div style="display:flex;align-items:center;gap:10px">'
        f"<b>{html.escape(state.tool_name)}</b> {bar}"
        f' <span style="color:{tone};min-width:5em">{html.escape(word)}</span></div>'
    )


def _bar(fraction: float, tone: str) -> str:
    return (
        '<span style="flex:1;height:6px;border-radius:3px;overflow:hidden;'
        'background:var(--jp-border-color2, rgba(128,128,128,.3))">'
        f'<span style="display:block;height:100%;width:{fraction:.1%};background:{tone}"></span>'
        f'</span> <span style="{MONOSPACE};min-width:4ch;text-align:right">{fraction:.0%}</span>'
    )


def _cell(key: str, value: str) -> str:
    whole_line = ";grid-column:1/-1" if len(value) > _WIDE or not key else ""
    label = f'<span style="{FAINT}">{html.escape(key)}</span> ' if key else ""
    written = html.escape(value)
    return (
        f'<span style="{_CELL}{whole_line}" title="{written}">'
        f'{label}<span style="{MONOSPACE}">{written}</span></span>'
    )


def _footer(state: StreamState) -> str:
    facts = [_counted_chunks(state), short_seconds(state.elapsed)]
    if state.chunks > 1 and state.elapsed > 0:
        facts.append(f"{short_rate(state.chunks, state.elapsed)} chunks/s")
    trace = f'<span style="{MONOSPACE}">{html.escape(state.correlation_id)}</span>'
    return " · ".join([*facts, trace])
