"""Leaves runs behind as killed kernels do."""

import os
from dataclasses import replace

from snakepit_nb.launch.file_lock import lock
from snakepit_nb.launch.identity import Identity
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry, WorkerState
from snakepit_nb.launch.state_directory import runs_directory

from .sleepers import ended_process

RESERVED = WorkerEntry(name="w9", state=WorkerState.RESERVED)


def dead(*paths: str) -> RunEntry:
    """Makes the run of a kernel that has ended."""
    return replace(RunEntry.of_this_process(*paths), kernel=ended_process())


def active(name: str, process: Identity) -> WorkerEntry:
    return WorkerEntry(name=name, state=WorkerState.ACTIVE, process=process)


def leave(registry: Registry, run: RunEntry, *workers: WorkerEntry) -> None:
    """Writes its rows, and a lock that nobody holds."""
    registry.save(run, workers, [])
    os.close(lock(runs_directory(registry.state) / f"{run.run_id}.lock", seconds=0))
