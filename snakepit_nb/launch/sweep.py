"""Finds what dead kernels have left, lists it, and clears it away.

Nothing of a living kernel is touched: a run is dead when nobody holds its lock, or when its kernel
is not alive, of which a forked child may hold the lock still.
"""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .clearing import clear_processes
from .environment import RUN_ID_VARIABLE
from .file_lock import lock, lock_existing
from .identity import Identity, boot_id, is_running
from .marks import marked
from .registry import Registry, RegistryProblem
from .run_entries import RunEntry, WorkerEntry
from .run_paths import remove_paths
from .state_directory import runs_directory, state_directory

log = logging.getLogger(__name__)

_RUN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """What the run of a dead kernel has left."""

    run_id: str
    run: RunEntry | None
    """None where the registry does not know it, and only its lock and its processes tell of it."""
    workers: tuple[WorkerEntry, ...]
    """As the registry has them, whether their processes run or not."""
    processes: tuple[Identity, ...]
    """All of the run's that run; after a sweep, those that it killed."""
    survivors: tuple[Identity, ...] = ()
    """What a sweep could not end; the next one tries again."""

    def plain(self) -> dict[str, object]:
        """Returns it in values that JSON has."""
        return {
            "run_id": self.run_id,
            "kernel_pid": None if self.run is None else self.run.kernel.pid,
            "created": None if self.run is None else self.run.created,
            "workers": [
                {
                    "name": worker.name,
                    "state": str(worker.state),
                    "pid": None if worker.process is None else worker.process.pid,
                }
                for worker in self.workers
            ],
            "processes": [process.pid for process in self.processes],
            "survivors": [process.pid for process in self.survivors],
        }


def list_orphans(state: Path | None = None) -> tuple[Orphans, ...]:
    """Lists what dead kernels of this user have left, and changes nothing.

    Where the registry cannot be read, that is logged, and only what carries a mark is found.
    """
    return tuple(_each_run(state or state_directory(), _look, logging.WARNING))


def sweep(
    state: Path | None = None, *, problem_level: int = logging.WARNING
) -> tuple[Orphans, ...]:
    """Clears away what dead kernels of this user have left, and tells what that was. Blocks.

    Why it could not do so, is logged at the given level.
    """
    return tuple(_each_run(state or state_directory(), _clear, problem_level))


def tell_swept(swept: Iterable[Orphans]) -> None:
    """Tells in the log what was found and ended."""
    for orphans in swept:
        log.info("run %s was dead: %d processes ended", orphans.run_id, len(orphans.processes))
        if orphans.survivors:
            pids = [process.pid for process in orphans.survivors]
            log.warning("processes %s of dead run %s do not end", pids, orphans.run_id)


Work = Callable[["_DeadRun"], Orphans]


@dataclass(frozen=True, slots=True, kw_only=True)
class _DeadRun:
    """A run that is ours to clear for as long as its lock is held."""

    registry: Registry
    run_id: str
    run: RunEntry | None
    workers: tuple[WorkerEntry, ...]
    problem_level: int

    def seen(self) -> Orphans:
        return Orphans(
            run_id=self.run_id,
            run=self.run,
            workers=self.workers,
            processes=tuple({*self.known_processes(), *self.guardians(), *marked(self.run_id)}),
        )

    def known_processes(self) -> list[Identity]:
        known = [worker.process for worker in self.workers if worker.process is not None]
        return [process for process in known if is_running(process)]

    def guardians(self) -> list[Identity]:
        guardian = None if self.run is None else self.run.guardian
        return [guardian] if guardian is not None and is_running(guardian) else []


def _look(dead: _DeadRun) -> Orphans:
    return dead.seen()


def _clear(dead: _DeadRun) -> Orphans:
    found = dead.seen()
    guardian = None if dead.run is None else dead.run.guardian
    survivors = clear_processes(dead.run_id, dead.known_processes(), guardian)
    if not survivors:
        remove_paths(() if dead.run is None else dead.run.paths)
        try:
            dead.registry.forget(dead.run_id)
            _lock_path(dead.registry.state, dead.run_id).unlink(missing_ok=True)
        except (RegistryProblem, OSError) as problem:
            log.log(dead.problem_level, "run %s stays noted: %s", dead.run_id, problem)
    return replace(found, survivors=tuple(survivors))


def _each_run(state: Path, work: Work, problem_level: int) -> Iterator[Orphans]:
    """Does the work for each dead run, one after the other, and holds its lock meanwhile."""
    if not os.path.isdir(state):  # looking shall leave nothing behind  # noqa: PTH112 (raises never)
        return
    with closing(Registry(state)) as registry:
        known = _known_runs(registry, problem_level)
        for run_id, (run, workers) in known.items():
            with _held_if_dead(state, run_id, run) as is_ours:
                if is_ours:
                    yield work(
                        _DeadRun(
                            registry=registry,
                            run_id=run_id,
                            run=run,
                            workers=workers,
                            problem_level=problem_level,
                        )
                    )


def _known_runs(
    registry: Registry, problem_level: int
) -> dict[str, tuple[RunEntry | None, tuple[WorkerEntry, ...]]]:
    """Lists the runs of this host that the registry knows, and those that only have a lock left."""
    known: dict[str, tuple[RunEntry | None, tuple[WorkerEntry, ...]]] = {}
    locks = [path.stem for path in runs_directory(registry.state).glob("*.lock")]
    try:
        known.update(registry.runs())
    except RegistryProblem as problem:
        log.log(problem_level, "%s is not read: %s", registry.path, problem)
    for run_id in locks:
        known.setdefault(run_id, (None, ()))
    # What runs on another machine cannot be seen from here; and what this one descends from lives.
    return {
        run_id: (run, workers)
        for run_id, (run, workers) in known.items()
        if _RUN_ID.fullmatch(run_id)
        and (run is None or _is_of_here(run))
        and run_id != os.environ.get(RUN_ID_VARIABLE)
    }


def _is_of_here(run: RunEntry) -> bool:
    """Tells whether it ran on this machine, whatever name that has got since in another network."""
    here = boot_id()
    return run.host == socket.gethostname() or (here != "" and run.kernel.boot_id == here)


@contextmanager
def _held_if_dead(state: Path, run_id: str, run: RunEntry | None) -> Iterator[bool]:
    """Holds a dead run's lock meanwhile, so that no two kernels clear it; tells whether it does."""
    descriptor = _lock_if_dead(state, run_id, run)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            with suppress(OSError):
                _other_lock_path(state, run_id).unlink()
            os.close(descriptor)


def _lock_if_dead(state: Path, run_id: str, run: RunEntry | None) -> int | None:
    path = _lock_path(state, run_id)
    try:
        return lock_existing(path)  # free: its kernel has ended, or has become another program
    except (FileNotFoundError, BlockingIOError):
        pass
    except OSError:  # a file system without locks: that none is held says nothing there
        return None
    if run is None or _may_live(run, has_lock=path.exists()):
        return None
    with suppress(OSError):  # a fork of the dead kernel holds the first
        return lock(_other_lock_path(state, run_id), seconds=0)
    return None


def _may_live(run: RunEntry, *, has_lock: bool) -> bool:
    """Tells whether its kernel may be alive; of another PID namespace only the lock tells that."""
    return is_running(run.kernel) if run.kernel.boot_id == boot_id() else has_lock


def _lock_path(state: Path, run_id: str) -> Path:
    return runs_directory(state) / f"{run_id}.lock"


def _other_lock_path(state: Path, run_id: str) -> Path:
    return _lock_path(state, run_id).with_suffix(".sweep")
