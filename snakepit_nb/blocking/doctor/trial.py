"""Starts one worker as a pool does, calls it, and stops it: the only proof that pools work here."""

import importlib.metadata
import platform
import sys
import time
from contextlib import suppress
from statistics import median

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import ToolError
from snakepit_nb.settings import PoolSettings

from .facts import Interpreter, Trial
from .looking import PACKAGES

CALLS = 20


def try_worker(python: str = "") -> Trial:
    """Starts, calls and stops a worker without tools. It sweeps nothing and leaves no trace.

    Args:
        python: Its interpreter; by default this one.

    Raises:
        SnakepitError: it did not start, or did not answer.
    """
    begun = time.monotonic()
    settings = PoolSettings(
        name="doctor", workers=1, python=python, telemetry=False, rogue_cleanup=False
    )
    pool = Pool(settings)
    try:
        pool.wait_serving()
        started = time.monotonic()
        worker = _ask(pool)
        calls = [_timed_call(pool) for _ in range(CALLS)]
        problems = pool.status().problems
    finally:
        stopping = time.monotonic()
        pool.stop(now=True)
    return Trial(
        worker=worker,
        start_seconds=started - begun,
        call_seconds=median(calls),
        stop_seconds=time.monotonic() - stopping,
        problems=problems,
    )


def _ask(pool: Pool) -> Interpreter:
    """Asks a worker what it runs on, by functions that it has, whatever version of ours it has."""
    versions: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with suppress(ToolError):  # it is not installed there
            versions[name] = pool.submit(importlib.metadata.version, name).result()
    return Interpreter(
        executable=pool.submit(getattr, sys, "executable").result(),
        python=pool.submit(platform.python_version).result(),
        versions=versions,
    )


def _timed_call(pool: Pool) -> float:
    begun = time.perf_counter()
    pool.submit(abs, -1).result()
    return time.perf_counter() - begun
