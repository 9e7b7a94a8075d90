"""Streams in each of their states, to be looked at, and tools that make some."""

import io
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from IPython.display import HTML

from snakepit_nb.notebook.widgets.chunk_looks import look_of
from snakepit_nb.notebook.widgets.stream_html import as_static_html
from snakepit_nb.notebook.widgets.view_model import Field, LogLine, Look, Row, StreamState
from snakepit_nb.worker import Adapter, tool

LOSSES = tuple(2 / number for number in range(1, 13))
RUNNING = StreamState(
    tool_name="train",
    correlation_id="sp-0123456789abcdef01234567",
    chunks=12,
    fraction=0.6,
    fields=(
        Field(key="epoch", look=Look(text="12"), samples=tuple(map(float, range(1, 13)))),
        Field(key="loss", look=Look(text="0.1667"), samples=LOSSES),
        Field(key="note", look=Look(text="a text that is so long that it has a line for itself")),
    ),
    rows=tuple(
        Row(number=number, cells={"progress": f"{number / 20}", "epoch": str(number)})
        for number in range(9, 13)
    ),
    log_lines=(
        LogLine(
            text="12:00:00.000 INFO w0 trainer: a line of log that is longer than any page " * 3
        ),
    ),
    place="on worker w0",
    elapsed=80.0,
    running=75.0,
)
STATES = (
    replace(RUNNING, outcome="queued", place="queued behind 3 calls", chunks=0, fraction=None,
            fields=(), rows=(), log_lines=()),
    RUNNING,
    replace(RUNNING, outcome="done", fraction=1.0),
    replace(RUNNING, outcome="cancelled"),
    replace(RUNNING, outcome="failed: ValueError: no such data"),
)  # fmt: skip


def every_state() -> HTML:
    """Draws them."""
    return HTML("<br>".join(map(as_static_html, STATES)))  # type: ignore[no-untyped-call]


def every_kind() -> HTML:
    """Draws a stream whose chunks are a picture, a table and a long text."""
    values = {"picture": png(7), "table": table(7), "text": "first line\nsecond line"}
    fields = tuple(Field(key=key, look=look_of(value)) for key, value in values.items())
    page = as_static_html(replace(RUNNING, fields=fields, rows=(), log_lines=()))
    return HTML(page)  # type: ignore[no-untyped-call]


def png(number: int) -> bytes:
    """Draws a picture."""
    from PIL import Image  # noqa: PLC0415 (in the worker that makes it)

    file = io.BytesIO()
    Image.linear_gradient("L").resize((240, 60)).rotate(number).save(file, "PNG")
    return file.getvalue()


def table(number: int) -> object:
    """Makes a table."""
    import pandas as pd  # noqa: PLC0415 (in the worker that makes it)

    return pd.DataFrame({"city": ["Oslo", "Lima"], "people": [0.7, number]})


class Streams(Adapter):
    """Streams."""

    @tool
    def train(self, epochs: int = 12, pause: float = 0.05) -> Iterator[dict[str, Any]]:
        """Reports."""
        for epoch in range(1, epochs + 1):
            time.sleep(pause)
            if epoch == 2:
                logging.getLogger("trainer").warning("the learning rate is high")
            yield {"progress": epoch / epochs, "epoch": epoch, "loss": 2 / epoch}

    @tool
    def endless(self, note: str) -> Iterator[dict[str, Any]]:
        """Reports nothing, and notes when it was stopped."""
        from pathlib import Path  # noqa: PLC0415 (as the others)

        try:
            yield {}
            time.sleep(120)
        finally:
            Path(note).write_text(str(time.time()))

    @tool
    def kinds(self) -> Iterator[Any]:
        """Yields what is no number."""
        for number in range(10):
            time.sleep(0.1)
            yield {"picture": png(number), "table": table(number)}

    @tool
    def count(self, to: int) -> Iterator[dict[str, Any]]:
        """Counts as quickly as it can."""
        for number in range(to):
            yield {"progress": number / to, "number": number, "half": number / 2}
