"""Ends processes that are not our children, and no other in their place."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from .identity import Identity, identity_of, is_running

LOOKING_SECONDS = 0.02
"""How often it is looked where the system does not tell of an end."""


def kill(process: Identity, *, is_marked: bool = False) -> bool:
    """Kills a process, and its process group where that is its own; tells whether it was there.

    Of a process that `is_marked` as a descendant of ours, any group is killed but this process's.
    """
    with _life(process.pid) as life:
        # Looked at after its life is held: the number cannot change hands from here on.
        if identity_of(process.pid) != process:
            return False
        with suppress(OSError):
            group = os.getpgid(process.pid)
            if group != os.getpgrp() and (is_marked or group == process.pid):
                os.killpg(group, signal.SIGKILL)
        _signal(life, process.pid, signal.SIGKILL)
    return True


def resume(process: Identity) -> None:
    """Lets a process that is stopped go on."""
    with _life(process.pid) as life:
        if identity_of(process.pid) == process:
            _signal(life, process.pid, signal.SIGCONT)


def wait_ended(processes: Iterable[Identity], *, seconds: float) -> set[Identity]:
    """Waits until processes have ended, and returns those that have not in this time."""
    deadline = time.monotonic() + seconds
    running = set(processes)
    with ExitStack() as opened:
        lives = {opened.enter_context(_life(process.pid)) for process in running} - {None}
        wait = _waiting(lives)
        while (running := set(filter(is_running, running))) and time.monotonic() < deadline:
            wait(deadline - time.monotonic())
    return running


def _waiting(lives: set[int | None]) -> Callable[[float], object]:
    """Makes what waits, at most so many seconds, for the next end."""
    if not lives:
        return lambda seconds: time.sleep(min(seconds, LOOKING_SECONDS))
    poller = select.poll()
    for life in lives:
        if life is not None:
            poller.register(life, select.POLLIN)

    def wait(seconds: float) -> None:
        for life, _ in poller.poll(min(seconds, 1.0) * 1000):
            poller.unregister(life)

    return wait


@contextmanager
def _life(pid: int) -> Iterator[int | None]:
    """Opens a descriptor that stands for the process, where the system has such and it is there."""
    life: int | None = None
    with suppress(OSError, AttributeError):
        life = os.pidfd_open(pid)
    try:
        yield life
    finally:
        if life is not None:
            os.close(life)


def _signal(life: int | None, pid: int, number: signal.Signals) -> None:
    with suppress(OSError):  # it has ended by itself
        if life is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(life, number)
