"""Ends what a run has left: its workers, what they started, and its guardian."""

import time
from collections.abc import Iterable

from .ending import kill, resume, wait_ended
from .identity import Identity, is_running
from .marks import marked

GUARDIAN_SECONDS = 5.0
"""A guardian whose kernel is dead ends all that it has, also what carries no mark, within this."""
ENDING_SECONDS = 5.0


def clear_processes(
    run_id: str, workers: Iterable[Identity], guardian: Identity | None = None
) -> set[Identity]:
    """Kills the processes of a run, and returns those that have not ended by it. Blocks.

    Each is known by its identity or by its mark; nobody is killed for a number alone.
    """
    if guardian is not None and is_running(guardian):
        resume(guardian)  # one that was stopped does its work then
        if wait_ended([guardian], seconds=GUARDIAN_SECONDS):
            kill(guardian)
    deadline = time.monotonic() + ENDING_SECONDS
    running = set(workers)
    for worker in running:
        kill(worker)
    while True:  # what was forked by one that was being killed is found by the next look
        found = set(marked(run_id))
        for process in found:
            kill(process, is_marked=True)
        running = wait_ended(running | found, seconds=deadline - time.monotonic())
        if running or not found:
            return running
