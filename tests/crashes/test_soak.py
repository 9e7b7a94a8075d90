"""A mixed load for a minute, with cancels, time-outs and killed workers: nothing grows by it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"
SECONDS = os.environ.get("SNAKEPIT_SOAK_SECONDS", "60")

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(2 * float(SECONDS) + 120)]


def test_nothing_grows_under_a_mixed_load() -> None:
    # In a process of its own, whose memory no other test has used.
    ran = subprocess.run(
        [sys.executable, str(SOAK)],
        env={**os.environ, "SNAKEPIT_SOAK_SECONDS": SECONDS},
        capture_output=True,
        text=True,
        check=False,
    )
    print(ran.stdout)  # noqa: T201 (the figures)

    assert ran.returncode == 0, ran.stderr
