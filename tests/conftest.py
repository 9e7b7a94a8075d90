"""What every test is held to: it leaves no process behind, and nothing in the user's home."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SECONDS_TO_END = 5


@pytest.fixture(scope="session", autouse=True)
def _state_is_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell starts its background jobs deaf to it, and so are what those start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    here = psutil.Process()
    before = set(here.children(recursive=True))
    yield
    _, left = psutil.wait_procs(set(here.children(recursive=True)) - before, timeout=SECONDS_TO_END)
    assert not left


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for sockets, whose paths must be short; those in `tmp_path` are any length."""
    with tempfile.TemporaryDirectory(prefix="sp-") as directory:
        yield Path(directory)
