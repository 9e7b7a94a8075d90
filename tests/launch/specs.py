"""How the launcher's tests say what to start."""

import sys
from pathlib import Path

from snakepit_nb.identifiers import WorkerId
from snakepit_nb.launch.launcher import LaunchSpec

STAND_IN = str(Path(__file__).with_name("stand_in_worker.py"))


def spec(
    name: str = "w0",
    *,
    python: str = sys.executable,
    cwd: str = str(Path(__file__).parent),
    environment: tuple[tuple[str, str], ...] = (),
    ready_timeout: float = 10.0,
) -> LaunchSpec:
    return LaunchSpec(
        worker_id=WorkerId(name),
        pool="default",
        python=python,
        cwd=cwd,
        environment=environment,
        message_bytes=1024,
        ready_timeout=ready_timeout,
    )
