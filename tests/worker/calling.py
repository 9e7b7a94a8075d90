"""What the tests of a worker ask of it."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

import anyio
import anyio.lowlevel

from snakepit_nb.calls import CellCall, CellEvent, CellReply, StreamText, ToolCall
from snakepit_nb.channel.grpc_channel import GrpcChannel
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from tests.making import numbers

T = TypeVar("T")


def a_cell(code: str, session: str = "") -> CellCall:
    number = next(numbers)
    return CellCall(
        call_id=CallId(f"cell-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        session_id=SessionId(session) if session else None,
        code=code,
    )


async def run(channel: GrpcChannel, cell: CellCall) -> tuple[list[CellEvent], CellReply]:
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)

    return events, await channel.run_cell(cell, put)


async def text_of(channel: GrpcChannel, cell: CellCall) -> str:
    """Runs a cell that succeeds, and returns what it prints."""
    events, reply = await run(channel, cell)
    assert reply.error is None, reply.error
    return "".join(event.text for event in events if isinstance(event, StreamText))


async def items(channel: GrpcChannel, call: ToolCall) -> list[object]:
    async with aclosing(channel.stream(call)) as stream:
        return [chunk.data async for chunk in stream if not chunk.is_final]


async def at_once(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Makes all calls at the same time and returns their results in order."""
    results: dict[int, T] = {}

    async def keep(number: int, call: Callable[[], Awaitable[T]]) -> None:
        results[number] = await call()

    async with anyio.create_task_group() as tasks:
        for number, call in enumerate(calls):
            tasks.start_soon(keep, number, call)
    return [results[number] for number in sorted(results)]
