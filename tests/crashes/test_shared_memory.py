"""Whoever is killed, and whenever: nothing of what was on its way stays in shared memory."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import snakepit_nb as snakepit
from snakepit_nb.launch.sweep import sweep

from .large_traffic import Large, directories_of, guardian_of_this_process, keep_calling
from .waiting import until

KILLS = int(os.environ.get("SNAKEPIT_CRASH_CYCLES", "4"))
ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))


def segments(directories: list[str]) -> list[str]:
    found = [each.name for place in directories for each in Path(place).iterdir()]
    return [name for name in found if "-" in name]


def test_killed_workers_leave_nothing_and_calls_that_may_run_twice_find_their_arguments() -> None:
    random.seed(0)
    stopped = threading.Event()
    answered: list[int] = []
    with snakepit.start(
        name="killed", workers=2, adapters=[Large], restart_limit=None, breaker_limit=None
    ) as pool:
        directories = directories_of(guardian_of_this_process())
        assert len(directories) == 2
        callers = [
            threading.Thread(
                target=lambda: answered.append(keep_calling(pool, lambda: not stopped.is_set()))
            )
            for _ in range(2)
        ]
        for caller in callers:
            caller.start()
        killed: set[int] = set()
        while len(killed) < KILLS:
            until(lambda: segments(directories))
            time.sleep(random.uniform(0, 0.1))  # noqa: S311 (any moment will do)
            # One that was killed is in the status until the pool hears of it.
            pids = {worker.pid for worker in pool.status().workers if worker.pid} - killed
            if pids:
                killed.add(pid := random.choice([*pids]))  # noqa: S311
                os.kill(pid, signal.SIGKILL)
        until(lambda: any(worker.state == "busy" for worker in pool.status().workers))
        stopped.set()
        for caller in callers:
            caller.join()

        assert sum(answered) > 0
        until(lambda: not segments(directories), within=5)
    assert not any(Path(each).exists() for each in directories)


@pytest.mark.parametrize("with_guardian", [False, True])
def test_a_killed_kernel_leaves_nothing(*, with_guardian: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashes.large_traffic"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as kernel:
        assert kernel.stdout is not None
        told = json.loads(kernel.stdout.readline())
        directories = told["directories"]
        guardian = psutil.Process(told["guardian"])
        until(lambda: segments(directories))
        if with_guardian:
            kernel.send_signal(signal.SIGSTOP)  # lest it cleans up for its guardian
            guardian.kill()
        kernel.kill()
    if with_guardian:
        until(lambda: not guardian.is_running() or guardian.status() == psutil.STATUS_ZOMBIE)
        assert any(Path(each).exists() for each in directories)
        assert len(sweep()) == 1
    until(lambda: not any(Path(each).exists() for each in directories), within=5)
