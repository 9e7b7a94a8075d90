"""A waterfall as static HTML, which lives in saved notebooks. No clock, no widget."""

import html
from collections.abc import Iterable

from .looks import FAILED_TONE, FAINT, MONOSPACE, TEXT
from .timeline import Where
from .trace_bars import bar
from .trace_model import Share, Waterfall
from .trace_row import Row
from .trace_words import DEEPEST, duration, headline, legend, notes, remark

_COLUMNS = 240
_COLOURS = {  # red, green and blue; seen on white and on black
    Where.KERNEL: "144,164,174",
    Where.POOL: "141,110,99",
    Where.QUEUE: "255,152,0",
    Where.WAY: "171,71,188",
    Where.WORKER: "38,166,154",
    Where.CODE: "30,136,229",
}
_PALE = "rgba(128,128,128,0.3)"
_FAILED = ";border-bottom:2px solid #e53935"
_FRAME = f"max-width:960px;line-height:1.5;text-align:left;{TEXT}"
_TABLE = "width:100%;table-layout:auto;border-collapse:collapse;margin:6px 0"
_CELL = "padding:1px 10px 1px 0;text-align:left;white-space:nowrap"
_NUMBER = f"padding:1px 10px 1px 0;text-align:right;white-space:nowrap;{MONOSPACE}"
_BAR = "padding:1px 10px 1px 0;width:60%"
_NOTE = f"{FAINT};font-size:.9em"
_INDENT = 14  # pixels


def as_html(shown: Waterfall) -> str:
    """Draws a waterfall."""
    return "\n".join(
        [
            f'<div style="{_FRAME}">',
            f"<div><b>{html.escape(headline(shown))}</b> · {_id(shown.correlation_id)}</div>",
            f"<div>{html.escape(shown.sentence)}</div>",
            _strip(shown.shares),
            _legend(shown),
            f'<table style="{_TABLE}"><tbody>',
            *(_row(row) for row in shown.rows),
            "</tbody></table>",
            *(f'<div style="{_NOTE}">{html.escape(note)}</div>' for note in notes(shown)),
            "</div>",
        ]
    )


def _id(text: str) -> str:
    return f'<span style="{MONOSPACE}">{html.escape(text)}</span>'


def _strip(shares: Iterable[Share]) -> str:
    """Draws all the time as one bar, by where it went and not by when."""
    return _bar((_piece(share.fraction, _colour(share.where)) for share in shares), height=16)


def _legend(shown: Waterfall) -> str:
    swatches = (_swatch(where, words) for where, words in legend(shown))
    return f'<div style="font-size:.9em">{" ".join(swatches)}</div>'


def _swatch(where: Where | None, words: str) -> str:
    return (
        '<span style="white-space:nowrap;margin-right:12px">'
        '<span style="display:inline-block;width:10px;height:10px;'
        f'background-color:{_colour(where)}"></span> {html.escape(words)}</span>'
    )


def _row(row: Row) -> str:
    facts = html.escape("\n".join(f"{name}: {text}" for name, text in row.facts))
    indent = _INDENT * min(row.depth, DEEPEST)
    tone = f";color:{FAILED_TONE}" if row.is_failed else ""
    mark = "✗ " if row.is_failed else ""
    line = (
        f'<tr title="{facts}">'
        f'<td style="{_CELL};padding-left:{indent}px{tone}">{mark}{html.escape(row.label)}</td>'
        f'<td style="{_BAR}">{_bar(_pieces(row), height=12)}</td>'
        f'<td style="{_NUMBER}">{html.escape(duration(row))}</td>'
        f'<td style="{_CELL}">{html.escape(remark(row))}</td></tr>'
    )
    if not row.error:
        return line
    return (
        f'{line}\n<tr><td colspan="4" style="padding:0 0 2px {indent + _INDENT}px;'
        f'text-align:left{tone}">{html.escape(row.error)}</td></tr>'
    )


def _pieces(row: Row) -> Iterable[str]:
    runs = bar(row, _COLUMNS)
    yield _piece(runs[0].begun / _COLUMNS, "")
    for run in runs:
        yield _piece((run.ended - run.begun) / _COLUMNS, _colour(run.where), failed=row.is_failed)


def _colour(where: Where | None) -> str:
    return _PALE if where is None else f"rgb({_COLOURS[where]})"


def _bar(pieces: Iterable[str], *, height: int) -> str:
    return f'<div style="display:flex;height:{height}px">{"".join(pieces)}</div>'


def _piece(fraction: float, colour: str, *, failed: bool = False) -> str:
    look = f";background-color:{colour}{_FAILED if failed else ''}" if colour else ""
    return f'<span style="width:{fraction:.2%}{look}"></span>'
