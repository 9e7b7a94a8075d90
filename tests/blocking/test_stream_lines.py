from concurrent.futures import CancelledError

import pytest

from snakepit_nb.blocking.stream_lines import as_summary, as_text_line, fraction_in
from snakepit_nb.blocking.stream_view import MOST_LINES, Shown, open_stream_view
from snakepit_nb.calls import ToolChunk
from snakepit_nb.errors import CallCancelledError, ToolError, UsageError
from snakepit_nb.identifiers import CorrelationId

SHOWN = Shown(tool_name="train", correlation_id="sp-1", cancel=lambda: None)


@pytest.fixture(autouse=True)
def _alike_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEPIT_NONINTERACTIVE", "1")


@pytest.mark.parametrize(
    ("progress", "fraction"),
    [(0, 0.0), (0.25, 0.25), (1, 1.0), (50, 0.5), (100, 1.0), (130, 1.0), (-2, 0.0)],
)
def test_progress_above_one_is_in_percent(progress: float, fraction: float) -> None:
    assert fraction_in({"progress": progress}) == fraction


@pytest.mark.parametrize("progress", ["50%", None, True, float("nan"), 10**400], ids=str)
def test_progress_that_tells_no_fraction_is_a_value_like_others(progress: object) -> None:
    assert fraction_in({"progress": progress}) is None
    assert as_text_line(_chunk({"progress": progress})).startswith("progress=")


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
    assert as_summary("train", 1, "done") == "train: 1 chunk, done"
    assert as_summary("train", 0, "failed: a b") == "train: 0 chunks, failed: a b"


def test_a_stream_that_is_read_to_its_end_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with open_stream_view(SHOWN) as view:
        view.show(_chunk({"progress": 0.5, "epoch": 3, "accuracy": 0.91}))
        view.show(_chunk({"progress": 1.0, "epoch": 6, "accuracy": 0.98765}))
        view.show(_chunk(None, is_final=True))

    assert capsys.readouterr().out == (
        "[ 50%] epoch=3 accuracy=0.91\n[100%] epoch=6 accuracy=0.9877\ntrain: 2 chunks, done\n"
    )


@pytest.mark.parametrize(
    ("error", "last_line"),
    [
        (ValueError("no such data"), "train: 0 chunks, failed: ValueError: no such data"),
        (
            ToolError("too big", remote_type="MemoryError", correlation_id=CorrelationId("sp-1")),
            "train: 0 chunks, failed: MemoryError: too big",
        ),
        (CallCancelledError("The call was cancelled."), "train: 0 chunks, cancelled"),
        (CancelledError(), "train: 0 chunks, cancelled"),
        (KeyboardInterrupt(), "train: 0 chunks, cancelled"),
        (GeneratorExit(), "train: 0 chunks, cancelled"),
    ],
    ids=["local", "remote", "cancelled", "future", "interrupted", "closed"],
)
def test_an_error_that_leaves_the_view_ends_it_and_goes_on(
    error: BaseException, last_line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), open_stream_view(SHOWN):
        raise error

    assert capsys.readouterr().out == f"{last_line}\n"


def test_a_call_that_was_wrong_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError), open_stream_view(SHOWN):
        raise UsageError("no such parameter")

    assert capsys.readouterr().out == ""


def test_the_first_end_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with open_stream_view(SHOWN) as view:
        view.end("cancelled")

    assert capsys.readouterr().out == "train: 0 chunks, cancelled\n"


def test_of_a_long_stream_each_run_prints_the_same_first_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_stream_view(SHOWN) as view:
        for number in range(10 * MOST_LINES):
            view.show(_chunk(number))

    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [str(number) for number in range(MOST_LINES)]
    assert last == f"train: {10 * MOST_LINES:,} chunks, done"


def test_in_a_terminal_a_line_a_second_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SNAKEPIT_NONINTERACTIVE")
    clock = iter([10.0, 10.2, 10.9, 11.1, 11.2])
    monkeypatch.setattr("snakepit_nb.blocking.stream_view.time.monotonic", lambda: next(clock))
    with open_stream_view(SHOWN) as view:
        for number in range(5):
            view.show(_chunk(number))

    assert capsys.readouterr().out == "0\n3\ntrain: 5 chunks, done\n"


def _chunk(data: object, *, is_final: bool = False) -> ToolChunk:
    return ToolChunk(number=0, data=data, is_final=is_final)
