from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_nb.notebook.widgets.timeline import Where
from snakepit_nb.notebook.widgets.trace_bars import bar
from snakepit_nb.notebook.widgets.trace_model import MOST_ROWS, Waterfall, waterfall
from snakepit_nb.notebook.widgets.trace_row import Row
from snakepit_nb.observations import Part, SpanRecord

from .any_traces import any_spans
from .making_traces import ID, call, span, trace


def shares(shown: Waterfall) -> dict[Where, float]:
    """In milliseconds."""
    return {share.where: round(share.seconds * 1000, 6) for share in shown.shares}


def labels(shown: Waterfall) -> list[str]:
    return ["  " * row.depth + row.label for row in shown.rows]


def row(shown: Waterfall, label: str) -> Row:
    return next(row for row in shown.rows if row.label == label)


def test_the_time_of_a_cell_is_divided_among_what_it_went_to() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))

    shown = waterfall(trace([cell, *call("embed", cell, 10, queue=20, code=50)]))

    assert shares(shown) == {
        Where.CODE: 50,
        Where.KERNEL: 26,
        Where.QUEUE: 20,
        Where.WAY: 2,
        Where.WORKER: 2,
    }
    assert shown.seconds == pytest.approx(0.1)
    assert shown.accounted == pytest.approx(0.74)
    assert shown.sentence == (
        "Of 100 ms, 50% went into your code in workers, 26% into the kernel itself "
        "and 20% into waiting for a worker."
    )


def test_what_a_call_spends_neither_waiting_nor_sent_is_the_pools() -> None:
    whole = span(Part.CALL, "call embed", (0, 100))
    rpc = span(Part.RPC, "rpc", (10, 90), whole)

    assert shares(waterfall(trace([whole, rpc]))) == {Where.WAY: 80, Where.POOL: 20}


def test_calls_of_which_a_worker_told_nothing_are_counted() -> None:
    silent = [each for each in call("lost", None, 0) if not each.worker_id]

    assert waterfall(trace([*silent, *call("embed", None, 20)])).untold == 1


def test_without_a_cell_the_time_is_from_the_first_begin_to_the_last_end() -> None:
    shown = waterfall(trace([*call("a", None, 0, code=5), *call("b", None, 90, code=5)]))

    assert shown.seconds == pytest.approx(0.1)
    assert shown.accounted == pytest.approx(0.2)
    assert shares(shown)[Where.KERNEL] == 80


def test_the_time_between_two_cells_of_one_id_is_nobodys() -> None:
    cells = [span(Part.CELL, "cell", (at, at + 10)) for at in (0, 600_000)]

    shown = waterfall(trace(cells))

    assert shown.cells == 2
    assert shown.seconds == pytest.approx(0.02)
    assert [(row.offset, row.length) for row in shown.rows] == [(0, 0.5), (0.5, 0.5)]


def test_a_cells_calls_that_go_on_after_it_belong_to_its_time() -> None:
    cell = span(Part.CELL, "cell", (0, 2))

    shown = waterfall(trace([cell, *call("slow", cell, 1, code=94)]))

    assert shown.seconds == pytest.approx(0.1)
    assert shown.sentence == "Of 100 ms, 94% went into your code in workers."


def test_calls_at_once_count_once_and_are_said_to_be_several() -> None:
    cell = span(Part.CELL, "cell", (0, 104))
    spans = [each for name in "abc" for each in call(name, cell, 0, queue=0, code=100)]

    shown = waterfall(trace([cell, *spans]))

    assert shares(shown)[Where.CODE] == 100
    assert "96% went into your code in workers (3.0 calls at once)." in shown.sentence


def test_a_small_trace_shows_every_span() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))
    spans = call("train", cell, 10, chunks=1000)

    shown = waterfall(trace([cell, *spans, span(None, "epoch", (13, 15), spans[-1], worker="w0")]))

    assert labels(shown) == [
        "cell [1]",
        "  call train, 1,000 chunks",
        "    queue wait",
        "    to the worker and back",
        "      in the worker",
        "        tool train",
        "          epoch",
    ]
    assert [row.worker_id for row in shown.rows] == ["", "w0", "", "w0", "w0", "w0", "w0"]


def test_each_moment_of_calls_one_after_another_is_told_by_one_row() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))

    shown = waterfall(trace([cell, *call("a", cell, 10), *call("b", cell, 60)]))

    told = sum(segment.length for row in shown.rows for segment in row.segments)
    assert told == pytest.approx(1)
    assert {segment.where for segment in row(shown, "cell [1]").segments} == {Where.KERNEL}
    assert row(shown, "call a").segments == ()


def test_of_many_calls_each_has_one_row_that_shows_its_parts() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))
    spans = [each for at in range(6) for each in call(f"tool{at}", cell, at, worker="w1")]
    user_span = span(None, "epoch", (5, 7), spans[4], worker="w1")

    shown = waterfall(trace([cell, *spans, user_span]))

    assert labels(shown) == [
        *("cell [1]", "  call tool0", "    epoch"),
        *(f"  call tool{number}" for number in range(1, 6)),
    ]
    assert [segment.where for segment in row(shown, "call tool1").segments] == [
        *(Where.QUEUE, Where.WAY, Where.WORKER, Where.CODE, Where.WORKER, Where.WAY)
    ]
    assert row(shown, "call tool1").worker_id == "w1"


def test_of_a_long_run_the_first_the_slowest_and_the_failed_are_shown() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 10_000))
    spans = []
    for number in range(60):
        error = "ValueError: bad" if number == 40 else ""
        code = 500 if number == 20 else 10
        spans += call("score", cell, number, code=code, error=error)

    shown = waterfall(trace([cell, *spans]))

    assert labels(shown) == ["cell [1]", *["  call score"] * 5, "  … and 55 more like these"]
    assert [row.seconds for row in shown.rows[1:6]] == pytest.approx(
        [0.015, 0.015, 0.015, 0.505, 0.015]
    )
    assert [row.error for row in shown.rows[1:6]] == ["", "", "", "", "RemoteValueError: bad"]
    rest = shown.rows[-1]
    assert rest.alike == 55
    assert (rest.median, rest.seconds) == pytest.approx((0.015, 0.825))
    assert (shown.calls, shown.failed) == (60, 1)


def test_runs_of_two_tools_that_take_turns_are_both_put_together() -> None:
    spans = [each for at in range(40) for each in call("ab"[at % 2], None, at)]

    assert labels(waterfall(trace(spans))) == [
        *("call a", "call b", "call a", "call b"),
        *("call a", "… and 17 more like these"),
        *("call b", "… and 17 more like these"),
    ]


def test_an_error_is_told_once_where_it_happened() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100), error="RemoteValueError: bad: 7")

    shown = waterfall(trace([cell, *call("embed", cell, 10, error="ValueError: bad: 7")]))

    failed = {row.label: row.error for row in shown.rows if row.is_failed}
    assert failed == {
        "cell [1]": "",
        "call embed": "",
        "to the worker and back": "",
        "in the worker": "",
        "tool embed": "ValueError: bad: 7",
    }


def test_a_cell_that_fails_by_itself_after_a_failed_call_tells_its_own_error() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100), error="KeyError: 'x'")

    shown = waterfall(trace([cell, *call("embed", cell, 10, error="ValueError: bad")]))

    assert row(shown, "cell [1]").error == "KeyError: 'x'"


def test_what_a_row_tells_of_texts_that_user_code_attached_is_their_length() -> None:
    told: dict[str, str | int] = {"statement": "select 'hunter2'", "rows": 7, "snakepit.pool": "p"}

    shown = waterfall(trace([span(None, "query", (0, 1), attributes=told)]))

    assert shown.rows[0].facts[2:] == (
        ("statement", "a text of 16 characters"),
        ("rows", "7"),
        ("pool", "p"),
    )


def test_of_a_trace_with_too_many_rows_the_first_are_shown_and_the_rest_counted() -> None:
    spans = [
        span(None, f"step {number}", (number, number + 1), error="E: x" if number > 250 else "")
        for number in range(300)
    ]

    shown = waterfall(trace(spans, dropped=12))

    assert (len(shown.rows), shown.more_rows, shown.more_failed) == (MOST_ROWS, 100, 49)
    assert shown.dropped == 12


def test_a_trace_without_spans_says_so() -> None:
    shown = waterfall(trace([]))

    assert (shown.rows, shown.shares, shown.seconds) == ((), (), 0)
    assert shown.sentence == "It took no time that can be measured."
    assert shown.correlation_id == ID


@given(any_spans())
def test_of_any_spans_the_shares_add_up_to_the_time(spans: list[SpanRecord]) -> None:
    shown = waterfall(trace(spans))

    assert sum(share.seconds for share in shown.shares) == pytest.approx(shown.seconds)
    assert 0 <= shown.accounted <= 1 + 1e-9


@given(any_spans())
def test_of_any_spans_the_rows_are_a_tree_within_the_time(spans: list[SpanRecord]) -> None:
    shown = waterfall(trace(spans))

    depth = -1
    for each in shown.rows:
        assert 0 <= each.depth <= depth + 1
        depth = each.depth
        places = [(piece.offset, piece.length) for piece in each.segments]
        for offset, length in [(each.offset, each.length), *places]:
            assert 0 <= offset <= offset + length <= 1 + 1e-9


@given(any_spans(), st.integers(1, 50))
def test_of_any_row_the_bar_is_without_gaps_and_has_at_least_one_column(
    spans: list[SpanRecord], columns: int
) -> None:
    for each in waterfall(trace(spans)).rows:
        runs = bar(each, columns)

        assert 0 <= runs[0].begun < runs[-1].ended <= columns
        assert all(run.begun < run.ended for run in runs)
        assert all(one.ended == other.begun for one, other in pairwise(runs))


def test_a_column_of_a_bar_looks_like_what_fills_most_of_it() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))
    spans = [
        cell,
        span(Part.CALL, "call a", (20, 26), cell),
        span(Part.CALL, "call b", (30, 60), cell),
    ]

    runs = bar(waterfall(trace(spans)).rows[0], 10)

    assert [(run.begun, run.ended, run.where) for run in runs] == [
        (0, 2, Where.KERNEL),
        (2, 6, None),
        (6, 10, Where.KERNEL),
    ]
