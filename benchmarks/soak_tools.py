"""The tools of the soak."""

import os
import time
from collections.abc import Iterator

from snakepit_nb.worker import Adapter, current_call, tool


class SoakTools(Adapter):
    thread_safe = True

    @tool
    def echo(self, value: object = None) -> object:
        """Returns what it got."""
        return value

    @tool(idempotent=True)
    def work(self) -> int:
        """Computes for a moment."""
        return sum(range(20_000))

    @tool
    def linger(self) -> None:
        """Takes longer than it may."""
        linger()

    @tool
    def count(self, until: int) -> Iterator[int]:
        """Yields numbers."""
        yield from range(until)

    @tool
    def own_figures(self) -> tuple[int, int]:
        """Tells how many descriptors and threads its process has."""
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208


def linger() -> None:
    """Waits until it is cancelled, be that by an interrupt or where it can only be told."""
    while not current_call().cancelled:
        time.sleep(0.002)
