"""How the values of a stream's chunks are shown: pictures and tables as what they are.

What they are is told by what they can do, so that no package is loaded to ask.
"""

import base64
import html
import io
from collections.abc import Callable
from typing import Any

from snakepit_nb.blocking.short_text import LONGEST_VALUE, short_value

from .looks import MONOSPACE
from .view_model import Look

LARGEST_PICTURE = 400_000
"""Bytes that a view sends again and again."""
LONGEST_TEXT = 1500
MOST_ROWS = 6
MOST_COLUMNS = 6

_WIDEST = 640, 400
_FORMATS = {b"\x89PNG\r\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}
_SCROLLS = "overflow-x:auto;max-width:100%"
_PROSE = f"white-space:pre-wrap;overflow-wrap:anywhere;max-height:200px;overflow:auto;{MONOSPACE}"
_CELL = "padding:2px 10px 2px 0;text-align:right;line-height:18px"
_PLAIN = frozenset({bool, int, float, dict, list, tuple, type(None)})


def look_of(value: object) -> Look:
    """Chooses how a value is shown."""
    if type(value) in _PLAIN:
        return Look(text=brief(value))
    if isinstance(value, str):
        return _text(value)
    text = brief(value)
    for draw in (_picture, _table):
        try:
            block = draw(value)
        except Exception:  # noqa: BLE001 (the value's own code; its short text tells enough)
            block = ""
        if block:
            return Look(text=text, block=block)
    return Look(text=text)


def brief(value: object) -> str:
    """Says in few characters what a value is: `DataFrame 5 x 3`."""
    try:
        return _brief(value)
    except Exception:  # noqa: BLE001 (the value's own code)
        return f"<{type(value).__name__}>"


def _brief(value: object) -> str:
    if type(value) in _PLAIN or isinstance(value, str):
        return short_value(value)
    if isinstance(value, bytes | bytearray):
        kind = _format_of(value)
        return f"{kind.upper()}, {len(value):,} bytes" if kind else short_value(value)
    measures = getattr(value, "shape", None) or getattr(value, "size", None)
    if isinstance(measures, tuple) and measures:
        return f"{type(value).__name__} {' x '.join(map(str, measures))}"
    return f"<{type(value).__name__}>" if hasattr(value, "savefig") else short_value(value)


def _text(value: str) -> Look:
    if len(value) <= LONGEST_VALUE and "\n" not in value:
        return Look(text=short_value(value))
    shown = value if len(value) <= LONGEST_TEXT else f"…{value[-LONGEST_TEXT:]}"
    return Look(text=short_value(value), block=f'<div style="{_PROSE}">{html.escape(shown)}</div>')


def _picture(value: Any) -> str:
    data = _picture_bytes(value)
    if not data:
        return ""
    if len(data) > LARGEST_PICTURE:
        return f"<div>A picture of {len(data):,} bytes, too large to be shown here.</div>"
    source = f"data:image/{_format_of(data)};base64,{base64.b64encode(data).decode()}"
    words = html.escape(brief(value))
    return (
        f'<img src="{source}" alt="{words}" '
        'style="max-width:100%;max-height:300px;background:white;display:block">'
    )


def _picture_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value) if _format_of(value) else b""
    if hasattr(value, "savefig"):
        return _written(lambda file: value.savefig(file, format="png", dpi=72))
    if hasattr(value, "thumbnail"):
        small = value.copy()
        small.thumbnail(_WIDEST)
        return _written(lambda file: small.save(file, format="PNG"))
    shown = value._repr_png_() if hasattr(value, "_repr_png_") else b""
    return shown if isinstance(shown, bytes) and _format_of(shown) else b""


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _format_of(data: bytes | bytearray) -> str:
    return next((kind for begin, kind in _FORMATS.items() if data.startswith(begin)), "")


def _table(value: Any) -> str:
    table = value.to_frame() if hasattr(value, "to_frame") else value
    if not hasattr(table, "to_html"):
        return ""
    drawn = table.head(MOST_ROWS).to_html(max_cols=MOST_COLUMNS, border=0, notebook=False)
    for cell in ("<td>", "<th>"):  # widgets have no style for tables
        drawn = drawn.replace(cell, f'{cell[:-1]} style="{_CELL}">')
    rest = len(table) - MOST_ROWS
    more = f"<div>… and {rest:,} more rows</div>" if rest > 0 else ""
    return f'<div style="{_SCROLLS}">{drawn}{more}</div>'
