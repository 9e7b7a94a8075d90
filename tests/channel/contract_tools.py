"""The adapter that the channel's contract is held over, in a worker and in this process."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio

from snakepit_nb.worker import Adapter, current_call, emit_event, tool


class ContractTools(Adapter):
    thread_safe = True

    @tool
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        """Returns what it was given."""
        return value

    @tool
    def add(self, left: int, right: int = 1) -> int:
        return left + right

    @tool
    def fail(self, with_name: str) -> None:
        raise {"ValueError": ValueError, "LookupError": LookupError, "Own": OwnError}[with_name](
            "of its own doing"
        )

    @tool
    def fail_without_words(self) -> None:
        raise UnspeakableError

    @tool
    def tell(self, name: str) -> None:
        emit_event(name, {"rows": 3}, {"table": "t"})

    @tool
    def say(self, text: str) -> None:
        sys.stdout.write(text)

    @tool
    def leave(self) -> None:
        raise SystemExit(3)

    @tool
    def unsendable(self) -> object:
        return lambda: None

    @tool
    async def ids(self) -> dict[str, str | None]:
        await anyio.lowlevel.checkpoint()
        call = current_call()
        return {
            "call": call.call_id,
            "correlation": call.correlation_id,
            "session": call.session_id,
            "mine": self.context.metadata.get("mine"),
        }

    @tool
    async def wait_for_ever(self, note: str) -> None:
        with_notes = Path(note)
        try:
            with_notes.with_suffix(".begun").touch()
            await anyio.sleep_forever()
        finally:
            with_notes.with_suffix(".stopped").touch()
            if current_call().cancelled:
                with_notes.with_suffix(".cancelled").touch()

    @tool
    def count(self, to: int) -> Iterator[dict[str, int]]:
        for number in range(to):
            yield {"number": number}

    @tool
    async def count_slowly(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            await anyio.lowlevel.checkpoint()
            yield number

    @tool
    def count_for_ever(self, note: str) -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            Path(note).with_suffix(".stopped").touch()

    @tool
    def count_then_fail(self) -> Iterator[int]:
        yield 1
        raise ValueError("in the middle")

    @tool
    async def count_then_wait(self) -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    @tool
    def stream_unsendable(self) -> Iterator[object]:
        yield lambda: None


class OwnError(Exception):
    pass


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")
