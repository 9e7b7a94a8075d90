"""What blocks runs beside the loop, and on it where no thread can be started any more."""

import threading
from typing import NoReturn

import pytest

from snakepit_nb.off_loop import off_loop


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # the loop of all that is beside it


async def test_it_runs_on_another_thread() -> None:
    assert await off_loop(threading.get_ident) != threading.get_ident()


async def test_where_no_thread_can_be_started_it_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert await off_loop(threading.get_ident) == threading.get_ident()


async def test_it_runs_once_whatever_it_raises() -> None:
    runs = []

    def fail() -> None:
        runs.append(1)
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        await off_loop(fail)
    assert len(runs) == 1
