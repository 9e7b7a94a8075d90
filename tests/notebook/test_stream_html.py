import html

import pytest

from snakepit_nb.calls import CallPlace
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.notebook.widgets.stream_html import as_html, as_static_html
from snakepit_nb.notebook.widgets.view_model import (
    Field,
    LogLine,
    Look,
    Row,
    StreamState,
    cell_words,
    place_words,
)

ON_W0 = CallPlace(worker_id=WorkerId("w0"))


def test_the_html_tells_all() -> None:
    state = StreamState(
        tool_name="train",
        correlation_id="sp-17",
        chunks=10,
        fraction=1.0,
        fields=(Field(key="epoch", look=Look(text="9"), samples=(0, 4, 9)),),
        rows=(Row(number=10, cells={"epoch": "9"}),),
        log_lines=(LogLine(text="12:00:00 WARNING w0 trainer: slow"),),
        place="on worker w0",
        elapsed=6.0,
        running=5.0,
        outcome="failed: ValueError: no such data",
    )

    page = as_static_html(state)

    for part in ("train", "100%", "failed", "ValueError: no such data", "epoch", "▁▄█", "sp-17"):
        assert part in page
    assert "on worker w0 · 10 chunks · 6.0 s · 2 chunks/s" in page
    assert "12:00:00 WARNING w0 trainer: slow" in page


def test_without_progress_there_is_no_bar() -> None:
    assert "progressbar" not in as_html(_running())


def test_what_is_left_is_estimated_from_the_time_on_the_worker() -> None:
    state = _running(fraction=0.25, elapsed=100.0, running=20.0)

    assert "about 1 min 00 s left<" in as_html(state)


@pytest.mark.parametrize("fraction", [None, 0.0, 1.0])
def test_nobody_guesses_how_long_it_takes_where_nothing_tells(fraction: float | None) -> None:
    assert " left<" not in as_html(_running(fraction=fraction, running=5.0))


@pytest.mark.parametrize(
    ("worker", "ahead", "words"),
    [
        ("w0", 0, "on worker w0"),
        (None, 0, "next in the queue"),
        (None, 1, "queued behind 1 call"),
        (None, 1200, "queued behind 1,200 calls"),
    ],
)
def test_the_place_is_told_in_words(worker: str | None, ahead: int, words: str) -> None:
    assert place_words(worker, ahead) == words


@pytest.mark.parametrize(
    ("places", "session", "words"),
    [
        ([ON_W0], "notebook", ["on worker w0", "session notebook"]),
        ([CallPlace(worker_id=None, ahead=2)], "", ["queued behind 2 calls"]),
        ([ON_W0, ON_W0, None], "", ["on 2 workers"]),
        ([ON_W0, None], "", ["on worker w0"]),
        ([None], "", []),
    ],
)
def test_a_cell_is_told_by_where_it_runs(
    places: list[CallPlace | None], session: str, words: list[str]
) -> None:
    assert cell_words(places, session) == words


def test_nothing_that_a_tool_says_becomes_markup() -> None:
    evil = "\"><img src=x onerror='1'>"
    state = StreamState(
        tool_name=evil,
        correlation_id=evil,
        chunks=2,
        fields=(Field(key=evil, look=Look(text=evil), samples=(1, 2)),),
        rows=(Row(number=2, cells={evil: evil}),),
        log_lines=(LogLine(text=evil),),
        place=evil,
        outcome=f"failed: {evil}",
    )

    page = as_static_html(state)

    assert "<img" not in page
    assert page.count(html.escape(evil)) >= 10


def _running(
    *, fraction: float | None = None, elapsed: float = 1.0, running: float = 1.0
) -> StreamState:
    return StreamState(
        tool_name="t",
        correlation_id="sp-1",
        chunks=3,
        fraction=fraction,
        elapsed=elapsed,
        running=running,
    )
