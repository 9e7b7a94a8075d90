"""A titled table, as text and as HTML."""

import html
from collections.abc import Sequence
from itertools import chain

Row = Sequence[str]


class Table:
    """Rows under headings, with a title above and notes below, for the notebook to display."""

    def __init__(
        self, title: str, headings: Row, rows: Sequence[Row], notes: Sequence[str] = ()
    ) -> None:
        self.title = title
        self.headings = headings
        self.rows = rows
        self.notes = notes

    def __repr__(self) -> str:
        lines = [self.headings, *self.rows] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join(chain([self.title], texts, self.notes))

    def _repr_html_(self) -> str:
        head = _tag("tr", "".join(_cell("th", heading) for heading in self.headings))
        body = "".join(_tag("tr", "".join(_cell("td", text) for text in row)) for row in self.rows)
        table = _tag("table", _tag("thead", head) + _tag("tbody", body)) if self.rows else ""
        notes = "".join(_tag("div", html.escape(note)) for note in self.notes)
        return _tag("div", _tag("b", html.escape(self.title)) + table + notes)


def _cell(name: str, text: str) -> str:
    return f"<{name} style='text-align:left'>{html.escape(text)}</{name}>"


def _tag(name: str, inner: str) -> str:
    return f"<{name}>{inner}</{name}>"
