"""What a call in a worker with threads comes to that is cancelled or runs for too long."""

from pathlib import Path

import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import CallCancelledError, CallTimeoutError
from snakepit_nb.pool.snapshot import WorkerStatus
from tests.waiting import until

from .holding import OPTIONS, Holding

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


def test_a_call_that_ignores_its_timeout_ends_with_its_worker_after_its_siblings(
    tmp_path: Path,
) -> None:
    with (
        snakepit.start(
            workers=1, profile="thread", name="ignored", interrupt_grace=0.3, **OPTIONS
        ) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        sibling = holding.begin()

        ignoring = holding.begin(timeout=0.2)
        with pytest.raises(CallTimeoutError) as caught:
            ignoring.answer.result(10)
        assert "did not stop within 0.3 s of its interrupt" in caught.value.message
        assert "is killed when its other calls have ended" in caught.value.message

        old = worker_at(pool, sibling.pid)
        assert (old.state, old.load) == ("draining", 2)  # its share is not free
        pool.wait_ready()
        other = pool.call("pid")  # the new worker serves while the old one still has work
        assert other != sibling.pid
        assert sibling.end() == ignoring.pid
        until(lambda: [worker.pid for worker in pool.status().workers] == [other])


def test_a_cell_that_ignores_its_timeout_ends_with_its_worker_after_its_siblings(
    tmp_path: Path,
) -> None:
    with (
        snakepit.start(
            workers=1, profile="thread", name="cells_ignored", interrupt_grace=0.3, **OPTIONS
        ) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        sibling = holding.begin()

        with pytest.raises(CallTimeoutError, match="session 'mine' lost with it"):
            pool.session("mine").exec("import time\nwhile True: time.sleep(0.01)", timeout=0.3)

        assert worker_at(pool, sibling.pid).state == "draining"
        old = sibling.end()
        until(lambda: old not in {worker.pid for worker in pool.status().workers})
        pool.wait_ready()
        assert pool.call("pid") != old


def test_a_call_that_heeds_its_cancellation_ends_in_time_and_its_worker_lives(
    tmp_path: Path,
) -> None:
    with (
        snakepit.start(workers=1, profile="thread", name="heeding", **OPTIONS) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        sibling = holding.begin()

        heeding = holding.begin("until_cancelled", timeout=0.2)
        with pytest.raises(CallTimeoutError, match="was interrupted"):
            heeding.answer.result(10)

        assert Path(f"{heeding.note}.ended").exists()
        assert worker_at(pool, heeding.pid).load == 1
        assert sibling.end() == heeding.pid
        assert pool.call("pid") == heeding.pid


def test_cancelling_a_call_that_ignores_it_does_not_wait_for_its_siblings(tmp_path: Path) -> None:
    with (
        snakepit.start(
            workers=1, profile="thread", name="given_up", interrupt_grace=0.3, **OPTIONS
        ) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        sibling = holding.begin()
        ignoring = holding.begin()
        _, second = pool.status().workers[0].calls

        assert pool.cancel(second.call_id) == 1

        assert not sibling.answer.done()
        with pytest.raises(CallCancelledError, match="was given up"):
            ignoring.answer.result(10)
        assert sibling.end() == ignoring.pid


def worker_at(pool: Pool, pid: int) -> WorkerStatus:
    (found,) = (worker for worker in pool.status().workers if worker.pid == pid)
    return found
