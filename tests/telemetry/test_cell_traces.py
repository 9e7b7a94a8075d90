import pytest

from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, Part
from snakepit_nb.telemetry.cell_traces import REMEMBERED_CELLS, CellTrace, CellTraces
from snakepit_nb.telemetry.correlation import requests

MINE = CorrelationId("sp-mine")


@pytest.fixture
def ended() -> list[CellTrace]:
    return []


@pytest.fixture
def cells(ended: list[CellTrace]) -> CellTraces:
    made = CellTraces()
    made.sink = ended.append
    return made


def running(monkeypatch: pytest.MonkeyPatch, request: str | None) -> None:
    monkeypatch.setattr(requests, "request_key", lambda: request)


def test_the_calls_of_a_cell_lie_within_its_span_which_began_with_it(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    running(monkeypatch, "first")
    cells.begin("cell [1]")

    first, second = cells.around(MINE), cells.around(MINE)
    cells.end(None)

    (cell,) = ended
    assert first is second is cell
    (record,) = cell.records()
    assert (record.name, record.part, record.is_error) == ("cell [1]", Part.CELL, False)
    assert (record.span_id, record.trace_id) == (cell.span_id, cell.trace_id)
    assert record.attributes[CORRELATION_ATTRIBUTE] == MINE
    assert 0 < record.begun <= record.ended


def test_a_cell_without_calls_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    running(monkeypatch, "first")
    cells.begin("cell")
    cells.end(None)

    assert ended == []


def test_a_cell_that_fails_is_told_so(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    running(monkeypatch, "first")
    cells.begin("cell")
    cells.around(MINE)

    cells.end(ValueError("bad"))

    (record,) = ended[0].records()
    assert (record.is_error, record.error) == (True, "ValueError: bad")


def test_calls_outside_of_cells_have_no_cell_around_them(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    running(monkeypatch, None)
    cells.begin("cell")
    script = cells.around(MINE)
    running(monkeypatch, "never begun")
    stray = cells.around(MINE)
    cells.end(None)

    assert script is None
    assert stray is None
    assert ended == []


def test_cells_that_run_at_once_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    around = {}
    for request in ("first", "second"):
        running(monkeypatch, request)
        cells.begin(request)
        around[request] = cells.around(CorrelationId(request))
    for request in ("first", "second"):
        running(monkeypatch, request)
        cells.end(None)

    assert {trace.name: trace for trace in ended} == around


def test_a_cell_that_runs_cells_itself_is_one_cell(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces, ended: list[CellTrace]
) -> None:
    running(monkeypatch, "first")  # a notebook's `%run other.ipynb` is one request
    cells.begin("cell")
    before = cells.around(MINE)
    cells.begin("cell")
    within = cells.around(MINE)
    cells.end(None)
    behind = cells.around(MINE)
    cells.end(None)

    (cell,) = ended
    assert before is within is behind is cell


def test_cells_that_never_end_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, cells: CellTraces
) -> None:
    for number in range(REMEMBERED_CELLS + 1):
        running(monkeypatch, str(number))
        cells.begin("cell")
        cells.around(MINE)

    assert (len(cells._begun), len(cells._traces)) == (REMEMBERED_CELLS, REMEMBERED_CELLS)
