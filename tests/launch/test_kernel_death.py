import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KERNEL = [sys.executable, "-m", "tests.launch.kernel_to_kill"]
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.process


def test_nothing_outlives_a_killed_kernel_though_a_fork_of_it_lives() -> None:
    with subprocess.Popen(KERNEL, stdout=subprocess.PIPE, cwd=ROOT) as kernel:
        assert kernel.stdout is not None
        told = json.loads(kernel.stdout.readline())
        lives = {what: os.pidfd_open(pid) for what, pid in told["pids"].items()}
        try:
            kernel.kill()
            left = those_alive_after(1.0, lives)
            assert is_running(told["fork"])
        finally:
            os.kill(told["fork"], signal.SIGKILL)
            for life in lives.values():
                os.close(life)
    assert left == set()
    assert not Path(told["socket"]).parent.exists()


def those_alive_after(seconds: float, lives: dict[str, int]) -> set[str]:
    alive = {life: what for what, life in lives.items()}
    poller = select.poll()
    for life in alive:
        poller.register(life, select.POLLIN)
    deadline = time.monotonic() + seconds
    while alive and (milliseconds := (deadline - time.monotonic()) * 1000) > 0:
        for life, _ in poller.poll(milliseconds):
            poller.unregister(life)
            del alive[life]
    return set(alive.values())


def is_running(pid: int) -> bool:
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
