"""The adapters whose tools other programs stream."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio

from snakepit_nb.worker import Adapter, tool


class Streams(Adapter):
    thread_safe = True

    def __init__(self) -> None:
        self.produced = 0

    @tool
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        return value

    @tool
    def metadata(self) -> dict[str, str]:
        return dict(self.context.metadata)

    @tool
    def fail(self) -> None:
        raise ValueError("in the worker")

    @tool
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @tool
    async def count(self, number: int) -> AsyncIterator[int]:
        for each in range(number):
            self.produced = each + 1
            yield each

    @tool
    def produced_now(self) -> int:
        return self.produced

    @tool
    async def fail_at(self, number: int) -> AsyncIterator[int]:
        for each in range(number):
            yield each
        raise ValueError("in the stream")

    @tool
    async def for_ever(self) -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            await anyio.sleep(0.001)

    @tool
    def noted(self, note: str) -> Iterator[int]:
        try:
            while True:
                yield 1
                time.sleep(0.01)
        finally:
            Path(note).touch()
