"""A pool as static HTML, which lives in saved notebooks. No clock, no widget.

It looks as `pool_panel.css` makes the live one look, with what untrusted notebooks may have.
"""

import html

from .looks import FAINT, TEXT
from .pool_model import Listing, PoolView
from .pool_tile import Line, State, Tile

_WARNING = "#f57c00"
_BAD = "#e53935"
_QUIET = "#90a4ae"
_TONES = {
    State.READY: "#43a047",
    State.BUSY: "#1e88e5",
    State.TAINTED: _WARNING,
    State.UNRESPONSIVE: _WARNING,
    State.LOST: _BAD,
    State.GIVEN_UP: _BAD,
}
_EDGE = "1px solid rgba(128,128,128,0.35)"
_FRAME = f"max-width:960px;line-height:1.5;text-align:left;{TEXT}"
_FACT = "display:inline-block;min-width:72px;padding:0 16px 0 0;vertical-align:top"
_TILE = (
    f"display:inline-block;box-sizing:border-box;width:220px;margin:0 8px 8px 0;padding:6px 10px;"
    f"vertical-align:top;border:{_EDGE};border-radius:4px"
)
_LIST = (
    "display:inline-block;min-width:200px;max-width:460px;margin:0 24px 8px 0;vertical-align:top"
)
_LINE = "display:flex;justify-content:space-between;white-space:nowrap;overflow:hidden"
_NOTE = f"{FAINT};font-size:.9em"


def as_html(view: PoolView) -> str:
    """Draws a pool."""
    ended = "" if view.is_running else " has stopped"
    return "\n".join(
        [
            f'<div style="{_FRAME}">',
            f"<div><b>Pool {html.escape(repr(view.name))}{ended}</b></div>",
            f'<div style="margin:4px 0 8px">{"".join(map(_fact, view.facts))}</div>',
            f"<div>{''.join(_tile(tile, view.lines) for tile in view.tiles)}</div>",
            f"<div>{''.join(_list(each) for each in view.lists if each.lines)}</div>",
            "</div>",
        ]
    )


def _fact(fact: tuple[str, str]) -> str:
    name, value = map(html.escape, fact)
    return f'<span style="{_FACT}"><span style="{_NOTE}">{name}</span><br>{value}</span>'


def _tile(tile: Tile, lines: int) -> str:
    tone = _TONES.get(tile.state, _QUIET)
    load = f"{tile.load}/{tile.capacity}" if tile.capacity else ""
    share = tile.load / tile.capacity if tile.capacity else 0.0
    rows = [_line(call) for call in tile.calls]
    rows += ["<div>&nbsp;</div>"] * (lines - len(rows))
    return (
        f'<div style="{_TILE};border-left:3px solid {tone}">'
        f'<div style="{_LINE}"><b>{html.escape(tile.worker_id)}</b>'
        f'<span style="flex:1;padding:0 8px">{html.escape(tile.words)}</span>'
        f"<span>{load}</span></div>"
        f'<div style="height:4px;margin:3px 0;background-color:rgba(128,128,128,0.2)">'
        f'<div style="height:4px;width:{share:.0%};background-color:{tone}"></div></div>'
        f"{''.join(rows)}"
        f'<div style="{_NOTE}">{html.escape(tile.facts) or "&nbsp;"}</div></div>'
    )


def _list(listing: Listing) -> str:
    more = f'<div style="{_NOTE}">and {listing.more} more</div>' if listing.more else ""
    return (
        f'<div style="{_LIST}"><div style="{_NOTE}">{listing.title}</div>'
        f"{''.join(map(_line, listing.lines))}{more}</div>"
    )


def _line(line: Line) -> str:
    tone = f";color:{_WARNING}" if line.is_overdue else ""
    return (
        f'<div style="{_LINE}{tone}" title="{html.escape(line.hint)}">'
        f'<span style="overflow:hidden;text-overflow:ellipsis">{html.escape(line.text)}</span>'
        f'<span style="{FAINT};padding-left:8px">{html.escape(line.aside)}</span></div>'
    )
