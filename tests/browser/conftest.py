"""One server and one browser for all tests of a module: to start them takes seconds."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab_page import Lab, open_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: in the folder that SNAKEPIT_PICTURES names, else in pytest's."""
    folder = os.environ.get("SNAKEPIT_PICTURES")
    kept = Path(folder) if folder else tmp_path_factory.mktemp("pictures")
    kept.mkdir(parents=True, exist_ok=True)
    return kept
