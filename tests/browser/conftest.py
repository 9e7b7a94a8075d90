"""One server and one browser for all tests of a module: to start them takes seconds."""

from collections.abc import Iterator

import pytest

from .lab_page import Lab, open_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened
