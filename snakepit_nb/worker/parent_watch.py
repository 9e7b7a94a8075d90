"""Ends the worker when the kernel is gone or has no more use for it."""

import os
import threading
from collections.abc import Callable

from .undebugged import UndebuggedThread

EXIT_SECONDS = 3.0


def watch_parent(pipe: int, stop: Callable[[], None], stopped: threading.Event) -> None:
    """Calls `stop` at the end of the stdin pipe, and ends the process if that does not help."""

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        end(stop, stopped)

    UndebuggedThread(watch, "parent-watch").start()


def end(stop: Callable[[], None], stopped: threading.Event, status: int = 1) -> None:
    """Calls `stop`, and ends the process if that does not help. Blocks."""
    stop()
    if not stopped.wait(EXIT_SECONDS):
        os._exit(status)
