"""Tools by which a worker falls ill, or dies."""

import atexit
import ctypes
import faulthandler
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from snakepit_nb.worker import Adapter, tool

_HOLDING_THE_LOCK = ctypes.PyDLL(None)  # unlike CDLL, it does not let go of Python's lock


class FailingTools(Adapter):
    thread_safe = True

    @tool
    def echo(self, value: object = None) -> object:
        return value

    @tool
    def die(self, signal_number: int) -> None:
        print("last words", file=sys.stderr, flush=True)  # noqa: T201 (they are shown)
        os.kill(os.getpid(), signal_number)
        time.sleep(60)

    @tool
    def segfault(self) -> None:
        faulthandler._sigsegv()  # type: ignore[attr-defined]

    @tool
    def leave(self, code: int) -> None:
        os._exit(code)

    @tool
    def leave_at_exit(self) -> None:
        atexit.register(os._exit, 9)

    @tool
    def hold_the_lock(self, note: str, seconds: float) -> None:
        """Waits in native code that does not let Python's other threads run."""
        Path(note).touch()
        _HOLDING_THE_LOCK.usleep(int(seconds * 1e6))

    @tool
    def compute_natively(self, note: str, steps: int) -> int:
        """Computes in native code that does not let Python's other threads run."""
        Path(note).touch()
        return sum(range(steps))

    @tool
    def wait(self, note: str) -> None:
        Path(note).touch()
        time.sleep(600)

    @tool
    def emit_for_ever(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            time.sleep(0.001)

    @tool
    def use_up_descriptors(self) -> int:
        """Opens as many files as may be, and keeps them; returns how many."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        self._files: list[int] = []
        try:
            while True:
                self._files.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return len(self._files)

    @tool
    def grow(self, limit: int) -> int:
        """Takes more memory than it may have."""
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return len(bytearray(4 * limit))

    @tool
    def stop_itself(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    @tool
    def take_memory(self) -> None:
        """Takes memory until the system ends it."""
        taken = []
        while True:
            taken.append(b"x" * 2**20)
