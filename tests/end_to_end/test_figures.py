"""The figures that are promised, with a margin of five for busy machines; memory has none."""

import pytest
from cells import LINES, measure

MARGIN = 5

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_cell_in_a_worker_costs_what_was_promised() -> None:
    figures = measure()

    assert figures["overhead of a cell, median ms"] < MARGIN * 5
    assert figures["start of 2 workers, s"] < MARGIN * 1.5
    assert figures[f"{LINES} flushed lines in a worker, s"] < MARGIN * 2
    assert figures[f"{LINES} flushed lines in a worker, iopub MB"] < 1
    assert figures["worker that has run a cell, PSS MB"] < 60
    assert figures["worker that serves tools, PSS MB"] < 40
