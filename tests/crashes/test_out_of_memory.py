"""The system kills a worker for lack of memory, and the error guesses so."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
LIMIT = 400 * 2**20


@contextmanager
def small_group() -> Iterator[Path]:
    """Makes a control group with little memory below our own; this takes root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "memory":
            made = Path("/sys/fs/cgroup/memory") / group.lstrip("/") / "snakepit-test"
            limits = {"memory.limit_in_bytes": LIMIT}
            break
    else:
        made = Path("/sys/fs/cgroup/snakepit-test")
        limits = {"memory.max": LIMIT, "memory.swap.max": 0}
    made.mkdir()
    try:
        for name, value in limits.items():
            (made / name).write_text(str(value))
        yield made
    finally:
        made.rmdir()


def test_a_worker_that_takes_all_memory_is_guessed_to_have_died_of_it() -> None:
    with small_group() as group:
        script = HERE / "scripts" / "runs_out_of_memory.py"
        within = f"echo $$ > {group}/cgroup.procs && exec {sys.executable} {script} {HERE}"
        ran = subprocess.run(
            ["/bin/sh", "-c", within], capture_output=True, text=True, timeout=100, check=False
        )

    assert ran.returncode == 0, ran.stderr
    assert "it ended with signal 9 (SIGKILL), probably for lack of memory." in ran.stdout
    assert "Give it less data, or the pool fewer workers" in ran.stdout
    assert "served again" in ran.stdout
