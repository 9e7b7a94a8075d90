import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from snakepit_nb.notebook.widgets.logs_view import LogsView
from snakepit_nb.observations import LogEntry

from .reading_pages import Page

AT = 1_790_000_000_007_999_999  # 14:13:20.007 in Greenwich
EVIL = "\"><img src=x onerror='1'>\x1b[31m\x07<script>"
FAILED = LogEntry(
    at=AT,
    level=40,
    logger="training",
    message="cannot fit:\nthe column is empty",
    correlation_id="sp-17",
    worker_id="w0.1",
    traceback="Traceback (most recent call last):\n  File 'fit.py'\nValueError: empty\n",
)
QUIET = LogEntry(at=AT + 2 * 10**9, level=0, logger="stderr", message="careful", worker_id="w1")
KERNELS = LogEntry(at=AT + 3 * 10**9, level=20, logger="snakepit_nb.pool", message="started")


@pytest.fixture(autouse=True)
def _the_kernel_is_in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as here:
        here.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def test_the_text_has_a_line_for_each_and_what_belongs_to_it_below() -> None:
    view = LogsView([FAILED, QUIET, KERNELS], wanted=None, dropped=0)

    assert (
        repr(view)
        == """\
3 lines of log
16:13:20.007 ERROR    w0.1   training: cannot fit:  [sp-17]
    the column is empty
    Traceback (most recent call last):
      File 'fit.py'
    ValueError: empty
16:13:22.007 -        w1     stderr: careful
16:13:23.007 INFO     kernel snakepit_nb.pool: started"""
    )


def test_the_html_tells_what_the_text_tells() -> None:
    page = Page(LogsView([FAILED, QUIET, KERNELS], wanted="w0.1", dropped=7)._repr_html_())

    for words in (
        *("3 lines of log of w0.1", "16:13:20.007", "ERROR", "w0.1", "training:", "sp-17"),
        *("cannot fit:\nthe column is empty", "  File 'fit.py'\nValueError: empty", "kernel"),
        "7 older lines not kept.",
    ):
        assert words in page.text
    assert not page.open


def test_a_level_has_its_colour() -> None:
    page = LogsView([FAILED], wanted=None, dropped=0)._repr_html_()

    assert page.count("--jp-error-color1") == 1


@pytest.mark.parametrize("level", [0, 10, 20, 25, 30, 40, 50, 99])
def test_any_level_is_shown(level: int) -> None:
    view = LogsView([replace(QUIET, level=level)], wanted=None, dropped=0)

    assert "careful" in repr(view)
    assert "careful" in Page(view._repr_html_()).text


def test_where_nothing_was_logged_it_says_so() -> None:
    view = LogsView([], wanted="w1", dropped=0)

    assert repr(view) == Page(view._repr_html_()).text == "0 lines of log of w1"


def test_nothing_that_is_logged_becomes_markup_or_moves_the_cursor() -> None:
    evil = LogEntry(
        at=AT,
        level=30,
        logger=EVIL,
        message=EVIL,
        correlation_id=EVIL,
        worker_id=EVIL,
        traceback=EVIL,
    )

    view = LogsView([evil], wanted=EVIL, dropped=0)

    assert {"img", "script"}.isdisjoint(Page(view._repr_html_()).tags)
    for shown in (repr(view), view._repr_html_()):
        assert "\x1b" not in shown
        assert "\x07" not in shown
