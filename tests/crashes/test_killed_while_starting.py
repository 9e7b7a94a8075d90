"""A kernel that is killed while it starts a worker, and what the next kernel makes of that."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import snakepit_nb as snakepit
from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.identity import Identity, identity_of, is_running
from snakepit_nb.launch.marks import marked
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry, WorkerState
from snakepit_nb.launch.state_directory import state_directory

ROOT = Path(__file__).parents[2]
SECONDS = 10.0

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    registry = Registry(state_directory())
    yield registry
    registry.close()


@pytest.mark.parametrize(
    ("point", "state"),
    [
        ("reserved", WorkerState.RESERVED),
        ("spawned", WorkerState.RESERVED),
        ("active", WorkerState.ACTIVE),
    ],
)
def test_the_row_stays_and_the_next_kernel_clears_it_and_the_processes(
    registry: Registry, point: str, state: WorkerState
) -> None:
    left = kill_at(point)
    run, workers = only_run(registry)

    assert bool(left) == (point == "active")
    assert [worker.state for worker in workers] == [state]
    assert [worker.process is not None for worker in workers] == [point == "active"]
    with snakepit.start(workers=1, name="next"):
        assert wait_ended(left, seconds=SECONDS) == set()
        until_swept(registry, run)
    assert marked(run.run_id) == []
    assert registry.runs() == {}
    assert not any(Path(path).exists() for path in run.paths)


@pytest.mark.parametrize("point", ["reserved", "active"])
def test_without_rogue_cleanup_row_and_processes_stay_until_they_are_killed_by_hand(
    registry: Registry, point: str
) -> None:
    left = kill_at(point)
    run, workers = only_run(registry)

    with snakepit.start(workers=1, name="next", rogue_cleanup=False) as pool:
        pool.submit(os.getpid).result()
        assert registry.runs()[run.run_id] == (run, workers)
    assert registry.runs() == {run.run_id: (run, workers)}
    assert all(map(is_running, left))

    told = subprocess.run(
        [sys.executable, "-m", "snakepit_nb.cli", "orphans", "--kill", "--json"],
        capture_output=True,
        check=True,
    )
    (swept,) = json.loads(told.stdout)
    assert {process.pid for process in left} == set(swept["processes"])
    assert not any(map(is_running, left))
    assert registry.runs() == {}


def kill_at(point: str) -> set[Identity]:
    """Kills a kernel at that point, its guardian first, and returns what of it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashes.starting_kernel", point],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as kernel:
        assert kernel.stdout is not None
        pids = json.loads(kernel.stdout.readline())
        known = {found for pid in pids if (found := identity_of(pid))}
        kernel.send_signal(signal.SIGSTOP)  # lest it cleans up for its guardian
        os.kill(pids[1], signal.SIGKILL)
        kernel.kill()
    # The system ends the worker with its guardian, but not the daemon that the worker has started.
    assert wait_ended(known, seconds=SECONDS) == set()
    registry = Registry(state_directory())
    run, _ = only_run(registry)
    registry.close()
    return set(marked(run.run_id))


def until_swept(registry: Registry, run: RunEntry) -> None:
    """Waits for the row; pytest's timeout bounds it."""
    while run.run_id in registry.runs():
        pass


def only_run(registry: Registry) -> tuple[RunEntry, tuple[WorkerEntry, ...]]:
    (run,) = registry.runs().values()
    return run
