"""Calls and an adapter for the pool's tests."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio

from snakepit_nb.calls import CellCall, ToolCall
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from snakepit_nb.settings import Affinity
from snakepit_nb.worker import Adapter, tool

numbers = count(1)


class Desk(Adapter):
    """Calls that go on for as long as the test wants. One instance serves all workers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.changed = anyio.Event()
        self.gates: dict[str, anyio.Event] = {}

    def open(self, *names: str) -> None:
        """Lets calls of these names end."""
        for name in names:
            self.gates.setdefault(name, anyio.Event()).set()

    async def until_begun(self, *names: str) -> None:
        with anyio.fail_after(5):
            while not set(names) <= set(self.begun):
                await self.changed.wait()

    @tool
    async def work(self, name: str) -> str:
        """Runs until the test opens it or it is cancelled."""
        self._note(self.begun, name)
        try:
            await self.gates.setdefault(name, anyio.Event()).wait()
        finally:
            self._note(self.ended, name)
        return name

    @tool
    async def ignore_interrupts(self, name: str) -> None:
        """Runs until the test opens it, whoever cancels it."""
        self._note(self.begun, name)
        with anyio.CancelScope(shield=True):
            await self.gates.setdefault(name, anyio.Event()).wait()

    @tool
    async def emit(self, name: str) -> AsyncIterator[int]:
        """Yields one item, and ends when the test opens it."""
        self._note(self.begun, name)
        try:
            yield 1
            await self.gates.setdefault(name, anyio.Event()).wait()
        finally:
            self._note(self.ended, name)

    @tool
    def fail(self) -> None:
        raise ValueError("as it should")

    def _note(self, notes: list[str], name: str) -> None:
        notes.append(name)
        self.changed.set()
        self.changed = anyio.Event()


def a_call(
    tool_name: str = "work",
    name: str = "",
    *,
    session: str = "",
    affinity: Affinity = Affinity.HINT,
    **parameters: object,
) -> ToolCall:
    number = next(numbers)
    return ToolCall(
        call_id=CallId(f"call-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        tool_name=tool_name,
        parameters={"name": name, **parameters} if name else parameters,
        session_id=SessionId(session) if session else None,
        affinity=affinity,
    )


def a_cell(code: str, *, session: str = "", **details: Any) -> CellCall:  # noqa: ANN401
    number = next(numbers)
    return CellCall(
        call_id=CallId(f"cell-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        session_id=SessionId(session) if session else None,
        code=code,
        affinity=Affinity.STRICT_QUEUE if session else Affinity.HINT,
        **details,
    )


async def put_nowhere(_: object) -> None:
    """Takes what a stream or a cell puts out."""
