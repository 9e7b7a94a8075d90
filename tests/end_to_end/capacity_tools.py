"""What the tests of capacity ask workers to do, by tools and, as functions, by cells."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from snakepit_nb.worker import Adapter, current_call, tool

Seen = tuple[int, int]
"""A process, and how many visits there were in it at once at most."""

PIECES = 5


class Together:
    """Counts how many visits there are at once in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = self._most = 0

    def enter(self) -> None:
        with self._lock:
            self._here += 1
            self._most = max(self._most, self._here)

    def leave(self) -> Seen:
        with self._lock:
            most = self._most
            self._here -= 1
            if not self._here:
                self._most = 0
            return os.getpid(), most


together = Together()


def plain(seconds: float) -> Seen:
    together.enter()
    time.sleep(seconds)
    return together.leave()


async def awaiting(seconds: float) -> Seen:
    together.enter()
    await asyncio.sleep(seconds)
    return together.leave()


class CapacityTools(Adapter):
    thread_safe = True

    @tool
    def plain(self, seconds: float) -> Seen:
        return plain(seconds)

    @tool
    async def awaiting(self, seconds: float) -> Seen:
        return await awaiting(seconds)

    @tool
    def streaming(self, seconds: float) -> Iterator[Seen]:
        together.enter()
        for piece in range(PIECES):
            time.sleep(seconds / PIECES)
            if piece < PIECES - 1:
                yield os.getpid(), 0
        yield together.leave()

    @tool
    async def streaming_async(self, seconds: float) -> AsyncIterator[Seen]:
        together.enter()
        for piece in range(PIECES):
            await asyncio.sleep(seconds / PIECES)
            if piece < PIECES - 1:
                yield os.getpid(), 0
        yield together.leave()

    @tool
    def pid(self) -> int:
        return os.getpid()

    @tool
    def hold(self, note: str) -> int:
        """Goes on until the note is there, whatever else happens."""
        _tell(note, "begun")
        while not Path(note).exists():
            time.sleep(0.002)
        return os.getpid()

    @tool
    def until_cancelled(self, note: str) -> None:
        _tell(note, "begun")
        while not current_call().cancelled:
            time.sleep(0.002)
        _tell(note, "ended")


def _tell(note: str, word: str) -> None:
    """Writes this process's id beside the note, in one go for who reads it."""
    unfinished = Path(f"{note}.unfinished")
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(f"{note}.{word}")
