"""The functions under the magics: `snakepit.start`, `pool`, `use`, `status`, `scale`, ..."""

import atexit
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from snakepit_nb.errors import PoolNotFoundError, UsageError, nearest
from snakepit_nb.launch.sweep import Orphans, list_orphans, sweep
from snakepit_nb.observations import LogEntry, Trace
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry import log_ring
from snakepit_nb.telemetry.json_lines import JsonLines
from snakepit_nb.telemetry.traces import traces

from .doctor.examination import WORKERS, examine
from .doctor.findings import Examination
from .handle import Pool
from .leaving import SECONDS_TO_LEAVE
from .options import defaults, pool_settings, set_defaults

SECONDS_FOR_SPANS = 1.0
"""Workers' spans come home in batches; so long a trace waits for those that are missing."""

LIKELIEST = 12
"""Among so many of the last ids, the nearest to a wrong one is looked for."""

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
    started = begin(settings)
    try:
        started.wait_serving()
    except BaseException:
        started.stop(now=True)
        raise
    return started


def begin(settings: PoolSettings) -> Pool:
    """Starts a pool and returns at once; what is called meanwhile waits for its workers."""
    started = _pools[settings.name] = Pool(settings)
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


def trace(wanted: str = "last") -> Trace:
    """Returns the spans of a correlation id or trace id, or those that began last.

    Raises:
        UsageError: there is none such.
    """
    found = traces.find_whole(wanted, timeout=SECONDS_FOR_SPANS)
    if found is not None:
        return found
    ids = traces.correlation_ids()
    if not ids:
        raise UsageError("There is no trace yet: call a tool, or run a cell in a worker.")
    raise UsageError(f"There is no trace {wanted!r}: {_nearest(wanted, ids)}")


def logs(
    wanted: str | None = None, *, level: str | int = 0, number: int = 50
) -> tuple[LogEntry, ...]:
    """Returns the last lines of log of kernel and workers, oldest first.

    Args:
        wanted: A correlation id, a worker's id or `kernel`; None means all.
        level: From which on, such as `"warning"`; stray output of workers has level 0.
        number: How many at most.

    Raises:
        UsageError: there is no such id or level, or the number is below 1.
    """
    if number < 1:
        raise UsageError(f"logs: give a number above 0, not {number}.")
    found = log_ring.logs.find(wanted, level=log_ring.level_number(level), number=number)
    if not found and wanted is not None:
        _check_may_have_logs(wanted)
    return found


def log_to(path: str | None) -> None:
    """Appends each line of log from now on to a file, as JSON; None ends that.

    Raises:
        UsageError: the file cannot be opened.
    """
    log_ring.logs.write_to(None if path is None else JsonLines(path))


def orphans(*, kill: bool = False) -> tuple[Orphans, ...]:
    """Lists what killed kernels of this user have left; with `kill` it is ended and removed."""
    return sweep() if kill else list_orphans()


def doctor(*, quick: bool = False, workers: int | None = None, python: str = "") -> Examination:
    """Looks whether pools work here: starts, calls and stops one worker, and reads the limits.

    Args:
        quick: Starts no worker.
        workers: For how many to look whether there is room; by default as many as run, or 2.
        python: The interpreter of that worker; by default this one.
    """
    running = pools()
    statuses = {found.name: found.status() for found in running}
    has = sum(len(snapshot.workers) for snapshot in statuses.values())
    return examine(
        quick=quick,
        workers=workers or defaults.get("workers") or has or WORKERS,
        python=python,
        problems={name: snapshot.problems for name, snapshot in statuses.items()},
        pythons=sorted({found.settings.python for found in running if found.settings.python}),
    )


def _check_may_have_logs(wanted: str) -> None:
    """Refuses what nobody has heard of; others may just have been silent."""
    ring = log_ring.logs
    workers = [worker.worker_id for found in pools() for worker in found.status().workers]
    known = [log_ring.KERNEL, *workers, *ring.workers(), *ring.correlation_ids()]
    if wanted not in known and traces.find(wanted) is None:
        raise UsageError(f"There are no logs of {wanted!r}: {_nearest(wanted, known)}")


def _nearest(wanted: str, known: Sequence[str]) -> str:
    """Names the ids that begin as the word does, else the nearest to it."""
    begins = [name for name in known if name.startswith(wanted)]
    return nearest(wanted, dict.fromkeys(begins or known[:LIKELIEST]))


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
        for found in pools():
            found.kill_after(SECONDS_TO_LEAVE)
        stop_all(now=True)


atexit.register(_stop_at_exit)
