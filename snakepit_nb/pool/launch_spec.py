"""What a pool's settings mean for the launch of one worker, in this process's own surroundings."""

import shlex
import sys
from pathlib import Path

from snakepit_nb.identifiers import WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.settings import PoolSettings


def launch_spec(settings: PoolSettings, worker_id: WorkerId) -> LaunchSpec:
    """Fills in what the settings leave to the kernel: its interpreter, directory and `sys.path`."""
    python = settings.python or sys.executable
    return LaunchSpec(
        worker_id=worker_id,
        pool=settings.name,
        python=python,
        command=tuple(shlex.split(settings.worker_command)),
        cwd=settings.cwd or str(Path.cwd()),
        environment=settings.environment,
        # Another interpreter has packages of its own; ours would break it.
        sys_path=tuple(sys.path) if python == sys.executable else (),
        adapters=settings.adapters,
        profile=settings.profile,
        threads=settings.capacity,
        message_bytes=settings.message_bytes,
        ready_timeout=settings.ready_timeout,
    )
