import html

import pytest

from snakepit_nb.blocking.short_text import short_rate, short_seconds, short_value
from snakepit_nb.calls import ToolChunk
from snakepit_nb.notebook.widgets.view_model import (
    MOST_VALUES,
    StreamState,
    advanced,
    as_html,
    as_summary,
    as_text_line,
    ended,
)

STARTED = StreamState(tool_name="train", correlation_id="sp-17")


def test_a_chunk_brings_its_progress_and_its_values() -> None:
    state = advanced(STARTED, _chunk({"progress": 0.5, "epoch": 3, "accuracy": 0.91}), 2.0)

    assert (state.chunks, state.fraction, state.elapsed) == (1, 0.5, 2.0)
    assert state.values == (("epoch", "3"), ("accuracy", "0.91"))


def test_what_a_chunk_leaves_out_stays_as_it_was() -> None:
    state = advanced(STARTED, _chunk({"progress": 0.5, "epoch": 3, "loss": 0.7}), 1.0)

    state = advanced(state, _chunk({"loss": 0.6}), 2.0)

    assert state.fraction == 0.5
    assert state.values == (("epoch", "3"), ("loss", "0.6"))


@pytest.mark.parametrize(
    ("progress", "fraction"),
    [(0, 0.0), (0.25, 0.25), (1, 1.0), (50, 0.5), (100, 1.0), (130, 1.0), (-2, 0.0)],
)
def test_progress_above_one_is_in_percent(progress: float, fraction: float) -> None:
    assert advanced(STARTED, _chunk({"progress": progress}), 1.0).fraction == fraction


@pytest.mark.parametrize("progress", ["50%", None, True, float("nan"), 10**400], ids=str)
def test_progress_that_tells_no_fraction_is_a_value_like_others(progress: object) -> None:
    state = advanced(STARTED, _chunk({"progress": progress}), 1.0)

    assert state.fraction is None
    assert [key for key, _ in state.values] == ["progress"]


def test_the_final_chunk_only_ends() -> None:
    state = advanced(advanced(STARTED, _chunk(7), 1.0), _chunk(None, is_final=True), 2.0)

    assert (state.chunks, state.values, state.elapsed) == (1, (("", "7"),), 2.0)


def test_a_stream_of_ever_other_keys_keeps_the_latest() -> None:
    state = STARTED
    for number in range(50):
        state = advanced(state, _chunk({f"key{number}": number}), 1.0)

    assert len(state.values) == MOST_VALUES
    assert state.values[-1] == ("key49", "49")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"progress": 0.5, "epoch": 3, "accuracy": 0.91}, "[ 50%] epoch=3 accuracy=0.91"),
        ({"progress": 100}, "[100%]"),
        ({"progress": 0.0, "note": "warming up"}, "[  0%] note=warming up"),
        ({"epoch": 3}, "epoch=3"),
        ("token", "token"),
        (" and\n", "' and\\n'"),
        (1.23456, "1.235"),
        (None, "None"),
        ({}, "{}"),
    ],
    ids=str,
)
def test_a_line_tells_its_own_chunk_and_nothing_else(data: object, line: str) -> None:
    assert as_text_line(_chunk(data)) == line


def test_the_summary_counts_and_tells_the_outcome() -> None:
    one = advanced(STARTED, _chunk(1), 1.0)

    assert as_summary(ended(one, "done", 1.0)) == "train: 1 chunk, done"
    assert as_summary(ended(STARTED, "failed: a\nb", 1.0)) == "train: 0 chunks, failed: a b"


def test_the_html_tells_all() -> None:
    state = STARTED
    for number in range(10):
        state = advanced(state, _chunk({"progress": (number + 1) / 10, "epoch": number}), 4.0)

    page = as_html(ended(state, "failed: ValueError: no such data", 5.0))

    for part in ("train", "100%", "failed", "ValueError: no such data", "epoch", "10 chunks"):
        assert part in page
    assert "5.0 s · 2 chunks/s" in page
    assert "sp-17" in page


def test_without_progress_there_is_no_bar() -> None:
    assert "%</span>" not in as_html(advanced(STARTED, _chunk("token"), 1.0))


def test_nothing_that_a_tool_says_becomes_markup() -> None:
    evil = "\"><img src=x onerror='1'>"
    state = StreamState(tool_name=evil, correlation_id=evil)

    page = as_html(ended(advanced(state, _chunk({evil: evil}), 1.0), f"failed: {evil}", 1.0))

    assert "<img" not in page
    assert page.count(html.escape(evil)) == 6


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.912345, "0.9123"),
        (1e-5, "1e-05"),
        (True, "True"),
        (12345678, "12345678"),
        ([1, 2.34567, "a", 4, 5], "[1, 2.346, 'a', 4, …]"),
        ({"a": {"b": {"c": 1}}}, "{a: {b: …}}"),
        (b"\x00\x01", "<2 bytes>"),
        ("", "''"),
        ("two\nlines", "'two\\nlines'"),
        ("\x1b[31mred", "'\\x1b[31mred'"),
        ("x" * 1000, "x" * 59 + "…"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_are_short_and_on_one_line(value: object, text: str) -> None:
    assert short_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.9, "42 s"), (65, "1 min 05 s"), (9000, "2 h 30 min")],
)
def test_durations_are_as_fine_as_they_matter(seconds: float, text: str) -> None:
    assert short_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"),
    [
        (5, 0.0, "0"),
        (1, 50.0, "0.02"),
        (5, 2.0, "2.5"),
        (9999, 1000.0, "10"),
        (24690, 2.0, "12,345"),
    ],
)
def test_rates_have_no_needless_digits(count: int, seconds: float, text: str) -> None:
    assert short_rate(count, seconds) == text


def _chunk(data: object, *, is_final: bool = False) -> ToolChunk:
    return ToolChunk(number=0, data=data, is_final=is_final)
