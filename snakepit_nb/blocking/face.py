"""The functions under the magics: `snakepit.start`, `pool`, `use`, `status`, `scale`, ..."""

import atexit
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from snakepit_nb.errors import PoolNotFoundError, UsageError, nearest
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import PoolSettings

from .handle import Pool
from .options import defaults, pool_settings, set_defaults

_pools: dict[str, Pool] = {}
_in_use: list[str] = []  # the name that `use` was given last, if it was given any


def configure(**options: Any) -> dict[str, Any]:
    """Sets what later `start`s and `open_pool`s of this process take where they are not told.

    Args:
        options: Fields of `PoolSettings`, such as `workers`, `profile` or `capacity_strategy`, but
            for those that name one pool and say where its workers run.

    Returns: all defaults that were set so far.

    Raises:
        UsageError: an option is unknown or makes no sense.
    """
    set_defaults(options)
    return dict(defaults)


def start(
    workers: int | None = None,
    *,
    name: str = "default",
    adapters: Sequence[str | type] = (),
    python: str = "",
    cwd: str = "",
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Pool:
    """Starts a pool and waits until its workers serve; again with the same options, returns it.

    Args:
        workers: How many worker processes; by default 2.
        name: What to call the pool.
        adapters: Classes with tools: names such as `"package.module:Class"`, or the classes
            themselves, also those that a notebook defines.
        python: The workers' interpreter; by default this one.
        cwd: The workers' directory; by default this process's.
        env: What to set of the workers' environment.
        options: Further fields of `PoolSettings`: `profile` (`process` or `thread`), `threads`,
            `capacity_strategy`, `affinity`, `call_timeout` in seconds, ...

    Raises:
        UsageError: an option makes no sense, or a pool of that name runs with other options.
        WorkerStartError: no worker got ready.
    """
    settings = pool_settings(
        workers, name=name, adapters=adapters, python=python, cwd=cwd, env=env, **options
    )
    running = _pools.get(name)
    if running is not None and running.is_running:
        return _reused(running, settings)
    started = _pools[name] = Pool(settings)
    try:
        started.wait_serving()
    except BaseException:
        started.stop(now=True)
        raise
    return started


def pool(name: str | None = None) -> Pool:
    """Returns a running pool; without a name the one in use: by `use`, or started last.

    Raises:
        PoolNotFoundError: there is none.
    """
    running = {known: found for known, found in _pools.items() if found.is_running}
    if name is None and running:
        said = [found for known, found in running.items() if known in _in_use]
        return (said or list(running.values()))[-1]
    if not running:
        raise PoolNotFoundError("No pool runs. Start one: %snakepit start")
    if name not in running:
        raise PoolNotFoundError(f"No pool {name!r} runs: {nearest(str(name), running)}")
    return running[name]


def pools() -> tuple[Pool, ...]:
    """Returns the running pools, in the order in which they were started."""
    return tuple(found for found in _pools.values() if found.is_running)


def use(name: str) -> Pool:
    """Makes a pool the one that is meant where no name is given.

    Raises:
        PoolNotFoundError: there is none of this name.
    """
    found = pool(name)
    _in_use[:] = [found.name]
    return found


def status(name: str | None = None) -> PoolSnapshot:
    """Returns what a pool looks like now.

    Raises:
        PoolNotFoundError: there is none.
    """
    return pool(name).status()


def scale(workers: int | str, *, name: str | None = None) -> int:
    """Gives a pool so many workers, or so many more or fewer: `3`, `"+1"`, `"-2"`.

    Returns: how many it has then.

    Raises:
        UsageError: it is no number, or would leave none.
        PoolNotFoundError: there is no such pool.
    """
    found = pool(name)
    have = _size(found)
    try:
        number = int(workers)
    except ValueError:
        raise UsageError(f"scale {workers}: give a number, such as 3, +1 or -1.") from None
    is_relative = isinstance(workers, str) and workers[:1] in "+-"
    found.resize(have + number if is_relative else number)
    return _size(found)


def stop(name: str | None = None, *, now: bool = False) -> bool:
    """Stops a pool, after its calls have finished or (`now`) at once.

    Returns: False where no pool ran, which is harmless.

    Raises:
        PoolNotFoundError: pools run, but none of this name.
    """
    if not pools():
        return False
    pool(name).stop(now=now)
    return True


def stop_all(*, now: bool = False) -> None:
    """Stops every pool of this process."""
    for found in _pools.values():
        found.stop(now=now)


def _size(found: Pool) -> int:
    """Counts the workers that stay: one that drains is on its way out."""
    return sum(worker.state != "draining" for worker in found.status().workers)


def _reused(running: Pool, settings: PoolSettings) -> Pool:
    differing = [
        field
        for field in PoolSettings.__dataclass_fields__
        if getattr(settings, field) != getattr(running.settings, field)
    ]
    if differing:
        raise UsageError(
            f"Pool {running.name!r} runs already, with other {', '.join(differing)}. "
            "Stop it first (%snakepit stop), or start another (--name)."
        )
    return running


def _stop_at_exit() -> None:
    with contextlib.suppress(Exception):  # whatever is left ends with the process
        stop_all(now=True)


atexit.register(_stop_at_exit)
