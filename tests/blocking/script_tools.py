"""The adapter of the scripts that the tests of the blocking handle run."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio

from snakepit_nb.worker import Adapter, current_call, tool


class ScriptTools(Adapter):
    @tool
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        return value

    @tool
    def fail(self) -> None:
        raise ValueError("in the worker")

    @tool
    def correlation(self) -> str:
        return current_call().correlation_id

    @tool
    def keyword(self, timeout: int, session: str) -> str:
        return f"{timeout} {session}"

    @tool
    def count_for_ever(self, note: str) -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            Path(note).touch()

    @tool
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            await anyio.lowlevel.checkpoint()
            yield number

    @tool
    def compute(self, note: str) -> None:
        """Computes for ever, in plain code."""
        try:  # before the note: who reads it may interrupt at once
            Path(note).with_suffix(".begun").touch()
            while True:
                time.sleep(0.01)
        finally:
            Path(note).with_suffix(".ended").touch()

    @tool
    async def wait(self, note: str) -> None:
        try:  # before the note: who reads it may interrupt at once
            Path(note).with_suffix(".begun").touch()
            await anyio.sleep_forever()
        finally:
            Path(note).with_suffix(".ended").touch()
