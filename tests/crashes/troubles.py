"""Tools that bring a worker into states in which it is hard to end."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from snakepit_nb.worker import Adapter, tool
from tests.launch.sleepers import DAEMON

HOLD_START = Path("hold-start")
"""While it is there, no worker gets ready."""
TAKE_THE_LOCK, LOCK_IS_TAKEN = Path("take-the-lock"), Path("lock-is-taken")
LONG = 600
LOOKING_SECONDS = 0.01


class Troubles(Adapter):
    def __init__(self) -> None:
        until(lambda: not HOLD_START.exists())

    @tool
    def have(self, kind: str) -> int:
        """Starts what outlives the call, and returns its process id or 0."""
        match kind:
            case "child":
                return subprocess.Popen(["/bin/sleep", str(LONG)]).pid
            case "daemon":
                return int(subprocess.check_output([sys.executable, "-c", DAEMON]))
            case "holds the lock":
                threading.Thread(target=take_the_lock, daemon=True).start()
                return 0
            case _:
                return 0

    @tool
    def wait(self) -> None:
        time.sleep(LONG)

    @tool
    def stream(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            time.sleep(LOOKING_SECONDS)

    @tool
    def pid(self) -> int:
        return os.getpid()


def take_the_lock() -> None:
    """Takes the interpreter's lock when it is wanted, and keeps it."""
    until(TAKE_THE_LOCK.exists)
    LOCK_IS_TAKEN.touch()
    ctypes.PyDLL(None).sleep(LONG)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(LOOKING_SECONDS)
