"""What a kernel keeps on disk of one run, so that another can clean up after it.

A run lives as long as its kernel holds the lock on `runs/RUN_ID.lock` and is itself alive: a forked
child of the kernel inherits the lock, and keeps it when that is dead. The lock is taken before
the first row is written, for a row whose lock is free is that of a dead run.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio

from snakepit_nb.off_loop import off_loop

from .file_lock import lock
from .identity import Identity
from .registry import Registry, RegistryProblem
from .run_entries import RunEntry, WorkerEntry, WorkerState
from .run_paths import remove_paths
from .state_directory import make_state_directory, runs_directory

log = logging.getLogger(__name__)

LOCK_SECONDS = 2.0
"""A lock with a new name is free, but for a moment in which another kernel may look at it."""

RETRY_SECONDS = 60.0
"""So long a registry that failed is left alone: no worker shall wait for it again and again."""

_complained: set[Path] = set()  # once is enough, however many pools there are


class RunRecord:
    """One run. Notes are taken at once and in memory; `flush` brings them to the disk.

    No method raises for want of a registry: workers start without it, and the user is told once.
    """

    def __init__(
        self, registry: Registry, run: RunEntry, on_problem: Callable[[str], object]
    ) -> None:
        self._registry = registry
        self._run = run
        self._on_problem = on_problem
        self._workers: dict[str, WorkerEntry] = {}
        self._unsaved: set[str] = set()
        self._saving = threading.Lock()
        self._problem = ""
        self._is_told = False
        self._not_before = 0.0
        self._lock: int | None = None
        self._is_closed = False

    @classmethod
    def open(
        cls, registry: Registry, directories: Iterable[Path], on_problem: Callable[[str], object]
    ) -> "RunRecord":
        """Begins a run of this process, which owns some directories. Blocks for a moment."""
        record = cls(registry, RunEntry.of_this_process(*map(str, directories)), on_problem)
        try:
            make_state_directory(registry.state)
            record._lock = lock(record._lock_path, seconds=LOCK_SECONDS)
        except OSError as error:
            record._complain(error)
        return record

    def __repr__(self) -> str:
        return f"<RunRecord {self.run_id} {len(self._workers)} workers>"

    @property
    def run_id(self) -> str:
        """What its workers carry as a mark, and all that they start."""
        return self._run.run_id

    @property
    def paths(self) -> tuple[str, ...]:
        """The directories that are removed with it."""
        return self._run.paths

    @property
    def processes(self) -> tuple[Identity, ...]:
        """Its workers' processes, as far as they are known."""
        return tuple(worker.process for worker in self._workers.values() if worker.process)

    def guarded_by(self, guardian: Identity | None) -> None:
        """Notes who the guardian is. It must be noted before the first worker."""
        self._run = replace(self._run, guardian=guardian)

    def reserve(self, name: str) -> None:
        """Notes that a worker is about to be started."""
        self._note(WorkerEntry(name=name, state=WorkerState.RESERVED))

    def activate(self, name: str, process: Identity | None) -> None:
        """Notes which process a worker is; None if it has ended already."""
        self._note(WorkerEntry(name=name, state=WorkerState.ACTIVE, process=process))

    def terminate(self, name: str) -> None:
        """Notes that a worker was told to end."""
        if (worker := self._workers.get(name)) is not None:
            self._note(replace(worker, state=WorkerState.TERMINATING))

    def remove(self, name: str) -> None:
        """Notes that a worker was seen to have ended."""
        if self._workers.pop(name, None) is not None:
            self._unsaved.add(name)

    async def flush(self) -> None:
        """Returns when all that was noted so far is on the disk; not cancellable."""
        # What another flush has taken is on its way, but perhaps not there yet.
        if self._unsaved or self._saving.locked():
            with anyio.CancelScope(shield=True):
                await off_loop(self._save)
            if self._problem and not self._is_told:
                self._is_told = True
                self._on_problem(self._problem)

    def refresh(self) -> None:
        """Writes all of it again where somebody has deleted the file. Blocks for a moment."""
        if self._workers:
            self._save()

    def close(self, *, is_all_ended: bool) -> None:
        """Ends the run. What has not ended is left to the next sweep. Blocks for a moment."""
        with self._saving:
            self._is_closed = True
            self._workers.clear()
            self._unsaved.clear()
            if is_all_ended:
                remove_paths(self._run.paths)
                if time.monotonic() >= self._not_before:
                    self._forget()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _note(self, worker: WorkerEntry) -> None:
        self._workers[worker.name] = worker
        self._unsaved.add(worker.name)

    def _save(self) -> None:
        with self._saving:  # whoever has waited here finds most often nothing left to write
            unsaved = self._take_unsaved()
            if self._is_closed:
                return
            if time.monotonic() < self._not_before:
                self._unsaved |= unsaved
                return
            try:
                if self._write(unsaved):
                    self._write(set(self._workers))
            except RegistryProblem as problem:
                self._unsaved |= unsaved
                self._not_before = time.monotonic() + RETRY_SECONDS
                self._complain(problem)

    def _take_unsaved(self) -> set[str]:
        """Empties the set name by name: another thread may add to it at any moment."""
        taken = set()
        with suppress(KeyError):
            while True:
                taken.add(self._unsaved.pop())
        return taken

    def _write(self, names: set[str]) -> bool:
        known = [self._workers.get(name) for name in names]
        changed = [worker for worker in known if worker is not None]
        return self._registry.save(self._run, changed, names - {worker.name for worker in changed})

    def _forget(self) -> None:
        try:
            self._registry.forget(self.run_id)
            self._lock_path.unlink(missing_ok=True)
        except (RegistryProblem, OSError) as problem:
            self._complain(problem)

    def _complain(self, problem: Exception) -> None:
        text = (
            f"Workers are not noted in {self._registry.path}: {problem}. They run all the same, "
            "but should this kernel be killed, the next one may not find what they leave behind."
        )
        self._problem = text
        if self._registry.path not in _complained:
            _complained.add(self._registry.path)
            log.warning("%s", text)

    @property
    def _lock_path(self) -> Path:
        return runs_directory(self._registry.state) / f"{self.run_id}.lock"
