"""How the pools of a process end with it."""

from functools import partial

import anyio

from snakepit_nb.errors import SnakepitError
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.pool.pool import Pool

SECONDS_TO_LEAVE = 1.0
"""Jupyter kills a kernel 2.5 s after it was told to shut down. A worker whose code heeds no
interrupt takes 3 s to end by itself, and the kernel could not clean up behind it."""


async def kill_all(pool: Pool, seconds: float) -> None:
    """Waits so long, then kills the workers that are still there."""
    await anyio.sleep(seconds)
    async with anyio.create_task_group() as tasks:
        for worker in pool.snapshot().workers:
            tasks.start_soon(partial(_kill, pool, worker.worker_id))


async def _kill(pool: Pool, worker_id: WorkerId) -> None:
    try:
        await pool.kill_worker(worker_id, "its kernel ends")
    except SnakepitError:
        return  # the system does not give it back: what is left is for the guardian
