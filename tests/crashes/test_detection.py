"""What is wrong with a worker is seen, told apart and named; what a crash was is told in full."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import CallTimeoutError, Progress, WorkerCrashedError

from .waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

BEAT = 0.1


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers whose hearts beat quickly."""
    with snakepit.start(
        name="detection",
        workers=2,
        adapters=["failing_tools:FailingTools"],
        env={"PYTHONPATH": str(Path(__file__).parent)},
        heartbeat_interval=BEAT,
        unresponsive_busy=1.0,
        unresponsive_idle=1.0,
        restart_limit=None,
        breaker_limit=None,
    ) as started:
        until(lambda: len(states(started)) == 2)
        yield started


def states(pool: Pool) -> dict[str, str]:
    return {w.worker_id: w.state for w in pool.status().workers if w.pid is not None}


def pid_of(pool: Pool, worker_id: str) -> int:
    pids = {str(worker.worker_id): worker.pid for worker in pool.status().workers}
    return pids[worker_id] or 0


def in_thread(work: Callable[[], object]) -> "Future[object]":
    outcome: Future[object] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is what the test is about)
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def test_a_frozen_worker_is_named_and_goes_on_when_it_thaws(pool: Pool) -> None:
    pid = pid_of(pool, "w0")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: states(pool)["w0"] == "frozen")
    os.kill(pid, signal.SIGCONT)
    until(lambda: states(pool)["w0"] == "idle")

    assert pid_of(pool, "w0") == pid


def test_a_frozen_worker_that_stays_so_is_replaced(pool: Pool) -> None:
    os.kill(pid_of(pool, "w0"), signal.SIGSTOP)
    until(lambda: states(pool) == {"w0.1": "idle", "w1": "idle"})


def test_a_worker_that_computes_natively_is_named_and_left_alone(
    pool: Pool, tmp_path: Path
) -> None:
    outcome = in_thread(
        lambda: pool.call("compute_natively", note=str(tmp_path / "begun"), steps=4 * 10**8)
    )
    until(lambda: "in native code" in states(pool).values())

    assert outcome.result(60) == sum(range(4 * 10**8))
    assert set(states(pool)) == {"w0", "w1"}
    until(lambda: set(states(pool).values()) == {"idle"})


def test_a_busy_worker_that_hangs_with_the_lock_is_killed_and_its_call_told(
    pool: Pool, tmp_path: Path
) -> None:
    outcome = in_thread(
        lambda: pool.call("hold_the_lock", note=str(tmp_path / "begun"), seconds=600.0)
    )
    until(lambda: "stuck" in states(pool).values())

    error = outcome.exception(60)
    assert isinstance(error, WorkerCrashedError)
    assert "it did not answer for 1 s (stuck)" in error.message
    assert error.progress is Progress.STARTED


def test_a_call_over_its_time_is_none_of_these(pool: Pool, tmp_path: Path) -> None:
    outcome = in_thread(lambda: pool.call("wait", note=str(tmp_path / "begun"), timeout=0.5))

    assert isinstance(outcome.exception(60), CallTimeoutError)
    assert set(states(pool).values()) == {"idle"}


def test_a_dead_worker_is_seen_at_once(pool: Pool) -> None:
    os.kill(pid_of(pool, "w0"), signal.SIGKILL)

    until(lambda: "w0" not in states(pool), within=1.0)  # it takes milliseconds


def test_where_the_guardian_dies_calls_are_told_the_same_truth(pool: Pool, tmp_path: Path) -> None:
    note = tmp_path / "begun"
    outcome = in_thread(lambda: pool.call("wait", note=str(note)))
    until(note.exists)
    os.kill(psutil.Process(pid_of(pool, "w0")).ppid(), signal.SIGKILL)

    error = outcome.exception(60)
    assert isinstance(error, WorkerCrashedError)
    assert error.progress is Progress.STARTED
    until(lambda: set(states(pool)) == {"w0.1", "w1.1"})
    assert pool.call("echo", value="served again") == "served again"


@pytest.mark.parametrize(
    ("tool", "arguments", "how"),
    [
        ("die", {"signal_number": 9}, "it ended with signal 9 (SIGKILL)"),
        ("die", {"signal_number": 15}, "it ended with signal 15 (SIGTERM)"),
        ("segfault", {}, "it ended with signal 11 (SIGSEGV)"),
        ("leave", {"code": 0}, "it ended with exit code 0"),
        ("leave", {"code": 3}, "it ended with exit code 3"),
    ],
)
def test_a_crash_is_told_in_full(
    pool: Pool, tool: str, arguments: dict[str, int], how: str
) -> None:
    with (
        snakepit.correlation("sp-crash"),
        pytest.raises(WorkerCrashedError) as caught,
    ):
        pool.call(tool, arguments)

    words = str(caught.value)
    assert how in words
    assert f"{tool} had begun and not ended. It was not run again: it may not run twice." in words
    assert "[sp-crash]" in words
    assert caught.value.progress is Progress.STARTED
    assert ("last words" in words) == (tool == "die")
    assert ("Segmentation fault" in words) == (tool == "segfault")
    assert words.count("lets that be done for you") == 1


def test_siblings_of_a_crash_are_each_told_their_own_truth(tmp_path: Path) -> None:
    with snakepit.start(
        name="siblings",
        workers=1,
        profile="thread",
        threads=3,
        adapters=["failing_tools:FailingTools"],
        env={"PYTHONPATH": str(Path(__file__).parent)},
    ) as pool:
        notes = [tmp_path / name for name in "ab"]
        waiting = [
            in_thread(lambda note=note: pool.call("wait", note=str(note)))  # type: ignore[misc]
            for note in notes
        ]
        until(lambda: all(note.exists() for note in notes))
        with pytest.raises(WorkerCrashedError):
            pool.call("leave", code=3)

        for sibling in waiting:
            error = sibling.exception(30)
            assert isinstance(error, WorkerCrashedError)
            assert "wait had begun and not ended" in error.message
            assert "exit code 3" in error.message
