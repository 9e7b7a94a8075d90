"""Looks at one thing after the other, and at none less when another cannot be looked at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial

from snakepit_nb.errors import SnakepitError
from snakepit_nb.launch.sweep import list_orphans

from .facts import Interpreter
from .findings import Examination, Finding, Verdict
from .judging import (
    PORTS,
    judge_exits,
    judge_interpreters,
    judge_orphans,
    judge_registry,
    judge_runtime,
    judge_trial,
    judge_versions,
)
from .looking import (
    PYTHON,
    count_orphans,
    least_versions,
    look_at_registry,
    look_at_runtime,
    this_interpreter,
)

WORKERS = 2
"""For so many it is asked whether they find room, unless told otherwise: as many as a pool has."""


def examine(
    *,
    workers: int = WORKERS,
    python: str = "",
    quick: bool = False,
    problems: Mapping[str, Sequence[str]] | None = None,
    pythons: Sequence[str] = (),
) -> Examination:
    """Looks whether pools work here, and says what to do where they do not. It never raises.

    Args:
        workers: For how many to look whether the system has room.
        python: The interpreter of the worker that is tried; by default this one.
        quick: Tries no worker.
        problems: What the pools of this process complain of, by their names.
        pythons: The interpreters of those pools where they are others than this.
    """
    kernel = this_interpreter()
    found = {PYTHON: kernel.python, **kernel.versions}
    findings = [
        _checked("versions", lambda: judge_versions(found, least_versions())),
        *_try_worker(kernel, python, pythons, is_quick=quick),
        _checked("runtime_directory", lambda: judge_runtime(look_at_runtime())),
        *_look_at_runs(),
        *_look_at_limits(workers),
        PORTS,
        _checked("last_exits", lambda: judge_exits(problems or {})),
    ]
    return Examination(findings=tuple(findings))


def _try_worker(
    kernel: Interpreter, python: str, pythons: Sequence[str], *, is_quick: bool
) -> Iterator[Finding]:
    tried: Interpreter | None = None

    def attempt() -> Finding:
        # Imported here: gRPC may be what is broken.
        from .trial import try_worker  # noqa: PLC0415

        nonlocal tried
        trial = try_worker(python)
        tried = trial.worker
        return judge_trial(trial)

    if not is_quick:
        yield _checked("worker", attempt)
    yield _checked("interpreter", lambda: judge_interpreters(kernel, tried, pythons))


def _look_at_runs() -> Iterator[Finding]:
    left = cache(list_orphans)  # looks once, but where it fails, which each of the two then tells
    yield _checked("registry", lambda: judge_registry(look_at_registry(left())))
    yield _checked("orphans", lambda: judge_orphans(count_orphans(left())))


def _look_at_limits(workers: int) -> Iterator[Finding]:
    def checked(name: str) -> Finding:
        # Imported here: psutil may be missing.
        from . import judging_limits, limits  # noqa: PLC0415

        match name:
            case "descriptors":
                return judging_limits.judge_descriptors(limits.look_at_descriptors(), workers)
            case "processes":
                return judging_limits.judge_processes(limits.look_at_processes(), workers)
            case "memory":
                return judging_limits.judge_memory(limits.look_at_memory(), workers)
            case _:
                return judging_limits.judge_shared_memory(limits.look_at_shared_memory())

    for name in ("descriptors", "processes", "memory", "shared_memory"):
        yield _checked(name, partial(checked, name))


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    """Makes whatever goes wrong a finding of its own."""
    try:
        return check()
    except SnakepitError as error:
        seen, advice = error.message, "The other checks may say why; else see the workers' words."
    except Exception as error:  # noqa: BLE001 (the patient is ill: no reason to stop looking)
        seen, advice = f"{type(error).__name__}: {error}", "Install snakepit-nb again."
    return Finding(name=name, verdict=Verdict.FAULT, seen=seen, advice=advice)
