"""What the tests of a worker with threads ask it to do at the same time."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from snakepit_nb.worker import Adapter, current_call, tool

AT_ONCE = 4
WITHIN = 10.0


class ThreadTools(Adapter):
    thread_safe = True

    def __init__(self) -> None:
        self.barrier = threading.Barrier(AT_ONCE)
        self.waiting = 0
        self.all_wait = asyncio.Event()

    @tool
    def meet(self) -> str:
        self.barrier.wait(WITHIN)
        return threading.current_thread().name

    @tool
    async def meet_async(self) -> str:
        await self._all_are_here()
        return threading.current_thread().name

    @tool
    def meet_in_stream(self) -> Iterator[str]:
        for _ in range(3):
            self.barrier.wait(WITHIN)
            yield threading.current_thread().name

    @tool
    async def meet_in_stream_async(self) -> AsyncIterator[str]:
        await self._all_are_here()
        yield threading.current_thread().name

    @tool
    async def loop(self) -> int:
        return id(asyncio.get_running_loop())

    @tool
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @tool
    async def wait(self) -> None:
        await asyncio.Event().wait()

    @tool
    def hold(self, note: str) -> str:
        """Blocks until the note is written, whatever else happens."""
        Path(note).with_suffix(".begun").touch()
        while not Path(note).exists():
            threading.Event().wait(0.001)
        return f"cancelled: {current_call().cancelled}"

    @tool
    def until_cancelled(self, note: str) -> None:
        Path(note).with_suffix(".begun").touch()
        call = current_call()
        while not call.cancelled:
            threading.Event().wait(0.001)
        Path(note).with_suffix(".ended").touch()

    @tool
    async def wait_for_ever(self, note: str) -> None:
        Path(note).with_suffix(".begun").touch()
        try:
            await asyncio.Event().wait()
        finally:
            Path(note).with_suffix(".ended").touch()

    @tool
    def interrupt_itself(self) -> None:
        raise KeyboardInterrupt

    @tool
    async def leave(self) -> None:
        sys.exit(3)

    async def _all_are_here(self) -> None:
        self.waiting += 1
        if self.waiting < AT_ONCE:
            async with asyncio.timeout(WITHIN):
                await self.all_wait.wait()
            return
        self.waiting = 0
        self.all_wait.set()
        self.all_wait = asyncio.Event()


class CarelessTools(Adapter):
    @tool
    def nothing(self) -> None:
        """Does nothing."""


class RecklessTools:
    @tool
    def less(self) -> None:
        """Does nothing either."""
