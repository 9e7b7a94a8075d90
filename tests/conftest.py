"""What every test is held to: it leaves no process behind."""

from collections.abc import Iterator

import psutil
import pytest

SECONDS_TO_END = 5


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    here = psutil.Process()
    before = set(here.children(recursive=True))
    yield
    _, left = psutil.wait_procs(set(here.children(recursive=True)) - before, timeout=SECONDS_TO_END)
    assert not left
