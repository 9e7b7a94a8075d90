"""How the tests of a worker with threads start it and call it."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel

from snakepit_nb.calls import CellCall, CellEvent, CellReply, StreamText, ToolCall
from snakepit_nb.channel.grpc_channel import GrpcChannel
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.settings import AdapterSource, Profile

MESSAGE_BYTES = 1024 * 1024
T = TypeVar("T")
numbers = count(1)


def thread_spec(*adapters: str, threads: int) -> LaunchSpec:
    here = str(Path(__file__).parent)
    return LaunchSpec(
        worker_id=WorkerId(f"w{next(numbers)}"),
        pool="threads",
        python=sys.executable,
        cwd=here,
        sys_path=(here, *sys.path),
        adapters=tuple(AdapterSource(name=name) for name in adapters),
        profile=Profile.THREAD,
        threads=threads,
        message_bytes=MESSAGE_BYTES,
        ready_timeout=30,
    )


def a_call(tool: str, **parameters: object) -> ToolCall:
    number = next(numbers)
    return ToolCall(
        call_id=CallId(f"call-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        tool_name=tool,
        parameters=parameters,
    )


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


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does to the file system."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.lowlevel.checkpoint()
