"""Starts one worker as a pool does, calls it, and stops it: the only proof that pools work here."""

import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import TypeVar

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import ToolError, WorkerError
from snakepit_nb.settings import PoolSettings

from .facts import Interpreter, Trial
from .looking import PACKAGES

CALLS = 20
SECONDS_TO_ANSWER = 10.0

T = TypeVar("T")


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


def _run(pool: Pool, function: Callable[..., T], *arguments: object) -> T:
    try:
        return pool.submit(function, *arguments).result(timeout=SECONDS_TO_ANSWER)
    except TimeoutError:
        raise WorkerError(
            f"The worker started, but has not answered a call within {SECONDS_TO_ANSWER:g} s."
        ) from None


def _ask(pool: Pool) -> Interpreter:
    """Asks a worker what it runs on, by functions that it has, whatever version of ours it has."""
    versions: dict[str, str | None] = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with suppress(ToolError):  # it is not installed there
            versions[name] = _run(pool, importlib.metadata.version, name)
    return Interpreter(
        executable=_run(pool, getattr, sys, "executable"),
        python=_run(pool, platform.python_version),
        versions=versions,
    )


def _timed_call(pool: Pool) -> float:
    begun = time.perf_counter()
    _run(pool, abs, -1)
    return time.perf_counter() - begun
