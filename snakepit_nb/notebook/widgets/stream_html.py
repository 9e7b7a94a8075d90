"""A stream as HTML, the same while it runs and in the saved notebook. No clock, no widget."""

import html
from collections.abc import Sequence

from snakepit_nb.blocking.short_text import one_line, short_rate, short_seconds
from snakepit_nb.blocking.stream_lines import CANCELLED, DONE, counted_chunks

from .looks import FAINT, MONOSPACE, TEXT
from .sparkline import sparkline
from .stream_record import MOST_COLUMNS
from .view_model import QUEUED, RUNNING, Field, LogLine, Row, StreamState

LONGEST_OUTCOME = 200

_TONES = {  # plain colours, which survive in notebooks that are not trusted
    QUEUED: "#757575",
    RUNNING: "#1e88e5",
    DONE: "#43a047",
    CANCELLED: "#fb8c00",
}
_FAILED = "#e53935"
_FRAME = f"max-width:680px;padding:2px 0 2px 12px;line-height:20px;text-align:left;{TEXT}"
_HEADING = "display:flex;align-items:center;gap:10px;min-height:28px"
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(18em,1fr));column-gap:1.5em"
_CUT = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_SMALL = "font-size:.9em"
_WIDE = 16
"""From this many characters on, a value has a line for itself."""


def as_html(state: StreamState) -> str:
    """Draws all but the correlation id, at home in light and dark themes and without them."""
    word, _, reason = state.outcome.partition(": ")
    tone = _TONES.get(word, _FAILED)
    rows = [_heading(state, word=word, tone=tone)]
    if reason:
        shown = html.escape(one_line(reason, LONGEST_OUTCOME))
        rows.append(f'<div style="{MONOSPACE};color:{tone}">{shown}</div>')
    rows.append(f'<div style="{_CUT};{FAINT};{_SMALL}">{_facts(state)}</div>')
    if state.fields:
        lines = "\n".join(_line(field, tone) for field in state.fields if not field.look.block)
        rows.append(f'<div style="{_GRID}">{lines}</div>')
    rows += [_block(field) for field in state.fields if field.look.block]
    if any(row.cells for row in state.rows) and state.chunks > 1:
        rows.append(_table(state.rows))
    rows += [_log_line(line) for line in state.log_lines]
    body = "\n".join(rows)
    label = html.escape(f"Stream of {state.tool_name}")
    return (
        f'<div role="group" aria-label="{label}" style="{_FRAME};border-left:3px solid {tone}">'
        f"{body}</div>"
    )


def as_static_html(state: StreamState) -> str:
    """Draws all of it, for the saved notebook: a click on the id selects it."""
    return f"{as_html(state)}\n{id_line(state.correlation_id)}"


def id_line(correlation_id: str, button: str = "") -> str:
    """Draws the line of the correlation id, and behind it a button that copies it."""
    return (
        f'<div style="max-width:680px;padding:0 0 2px 15px;line-height:20px;{TEXT};{_SMALL}">'
        f'<span style="{MONOSPACE};{FAINT};user-select:all">{html.escape(correlation_id)}</span>'
        f"{button}</div>"
    )


def _heading(state: StreamState, *, word: str, tone: str) -> str:
    bar = "" if state.fraction is None else _bar(state.fraction, tone)
    return (
        f'<div style="{_HEADING}"><b>{html.escape(state.tool_name)}</b> {bar}'
        f' <span style="color:{tone};min-width:5em">{html.escape(word)}</span></div>'
    )


def _bar(fraction: float, tone: str) -> str:
    percent = f"{fraction:.0%}"
    filled = f"display:block;height:100%;width:{fraction:.1%};background-color:{tone}"
    return (
        f'<span role="progressbar" aria-label="progress" aria-valuenow="{percent[:-1]}" '
        'aria-valuemin="0" aria-valuemax="100" style="flex:1;height:6px;border-radius:3px;'
        'overflow:hidden;background-color:rgba(128,128,128,0.3)">'
        f'<span style="{filled}"></span></span> '
        f'<span style="{MONOSPACE};min-width:4ch;text-align:right">{percent}</span>'
    )


def _facts(state: StreamState) -> str:
    facts = [state.place] if state.place else []
    facts += [counted_chunks(state.chunks), short_seconds(state.elapsed)]
    if state.chunks > 1 and state.running > 0:
        facts.append(f"{short_rate(state.chunks, state.running)} chunks/s")
    if state.seconds_left is not None:
        facts.append(f"about {short_seconds(state.seconds_left)} left")
    return html.escape(" · ".join(facts))


def _line(field: Field, tone: str) -> str:
    written = html.escape(field.look.text)
    spark = sparkline(field.samples)
    whole_line = ";grid-column:1/-1" if len(field.look.text) > _WIDE or not field.key else ""
    label = f'<span style="{FAINT}">{html.escape(field.key)}</span> ' if field.key else ""
    return (
        f'<span style="{_CUT}{whole_line}" title="{written}">'
        f'{label}<span style="{MONOSPACE}">{written}</span>{_spark(field, spark, tone)}</span>'
    )


def _spark(field: Field, spark: str, tone: str) -> str:
    if not spark:
        return ""
    label = html.escape(f"{field.key or 'values'}: from {min(field.samples):.4g} to")
    return (
        f' <span role="img" aria-label="{label} {max(field.samples):.4g}" '
        f'style="{MONOSPACE};color:{tone};letter-spacing:-1px">{spark}</span>'
    )


def _block(field: Field) -> str:
    label = f'<div style="{FAINT}">{html.escape(field.key)}</div>' if field.key else ""
    return f"<div>{label}{field.look.block}</div>"


def _table(rows: Sequence[Row]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row.cells))[:MOST_COLUMNS]
    cell = f"padding:0 16px 0 0;background:none;text-align:right;line-height:18px;{_CUT}"
    head = "".join(
        f'<th scope="col" style="{cell};font-weight:normal;{FAINT}">{html.escape(text)}</th>'
        for text in ("chunk", *keys)
    )
    body = "\n".join(
        f'<tr style="background:none"><td style="{cell};{FAINT}">{row.number:,}</td>'
        + "".join(f'<td style="{cell}">{html.escape(row.cells.get(key, ""))}</td>' for key in keys)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div style="overflow:hidden"><table style="border-collapse:collapse;table-layout:auto;'
        f'margin:4px 0 2px;{MONOSPACE};{_SMALL};line-height:18px" aria-label="the last chunks">'
        f'<thead style="border:0"><tr style="border:0">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _log_line(line: LogLine) -> str:
    text = html.escape(line.text)
    return f'<div style="{_CUT};{MONOSPACE};{_SMALL};{line.tone}" title="{text}">{text}</div>'
