"""Faults that a worker has of itself, when it is told to. Nothing here but the standard library:

`python inflicted.py PLACE COMMAND ...` stands in a worker's place before its program runs: it waits
for an order, and then becomes the command.
"""

import ctypes
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

GO_ON = "go on"
PAGES = 512 * 1024 * 1024
DESCRIPTORS = 256
BOMB = ["/bin/sleep", "600"]
A_DAY = 86_400


def orders(place: Path, point: str) -> Iterator[str]:
    """Yields what is written to this process's pipe; that it is open tells that this listens."""
    pipe = place / f"{os.getpid()}.{point}"
    os.mkfifo(pipe)
    while True:
        with pipe.open() as opened:
            yield from opened.read().splitlines()


def inflict(order: str) -> None:
    FAULTS[order]()


def segfault() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(0)


def run_out_of_memory() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    bytearray(PAGES)


def grow() -> None:
    bytearray(b"x") * PAGES


def run_out_of_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    while True:
        os.open(os.devnull, os.O_RDONLY)


def multiply() -> None:
    """Starts processes until it may not."""
    while True:
        os.posix_spawn(BOMB[0], BOMB, os.environ)


def leave_at_exit() -> None:
    import atexit  # noqa: PLC0415 (only here)

    atexit.register(os._exit, 9)


def jump() -> None:
    """Lets the clock jump by a day, for all that is Python."""
    true, true_ns = time.time, time.time_ns
    time.time = lambda: true() + A_DAY
    time.time_ns = lambda: true_ns() + A_DAY * 10**9


FAULTS: dict[str, Callable[[], None]] = {
    GO_ON: lambda: None,
    "segfault": segfault,
    "leave": leave,
    "leave at exit": leave_at_exit,
    "run out of memory": run_out_of_memory,
    "grow": grow,
    "run out of descriptors": run_out_of_descriptors,
    "multiply": multiply,
    "jump": jump,
}

if __name__ == "__main__":
    _, told_place, *command = sys.argv
    inflict(next(orders(Path(told_place), "spawn")))
    os.execv(command[0], command)  # noqa: S606 (it is ours)
