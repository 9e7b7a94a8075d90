"""What goes with a session, and how streams end, over workers of this process."""

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from snakepit_nb.bridge.bridge import Bridge, open_bridge
from snakepit_nb.bridge.forwarding import Forwarding
from snakepit_nb.bridge.host_calls import AnyThread
from snakepit_nb.bridge.host_tools import HostTools
from snakepit_nb.bridge.tool_registry import LocalTool, RemoteTool, Tool
from snakepit_nb.calls import CellCall, ToolCall, ToolChunk, ToolSpec
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.pool.pool import open_pool
from snakepit_nb.settings import Affinity, PoolSettings
from snakepit_nb.testing import open_direct_channel, open_in_process_launcher
from snakepit_nb.worker import Adapter, tool

ONE, OTHER = SessionId("one"), SessionId("other")


class Counting(Adapter):
    @tool
    async def count(self, number: int) -> AsyncIterator[int]:
        for each in range(number):
            yield each


class WithoutEnds:
    """A way to a worker that sends no final chunks."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 (it has all that a channel has)
        self._channel = channel

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (as above)
        return getattr(self._channel, name)

    async def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        async for chunk in self._channel.stream(call):
            if not chunk.is_final:
                yield chunk


class Telling:
    """Passes on to a bridge that a session is gone, and tells it."""

    def __init__(self, bridge: Bridge) -> None:
        self.told = anyio.Event()
        self._bridge = bridge

    def session_gone(self, session_id: SessionId) -> None:
        self._bridge.session_gone(session_id)
        self.told.set()

    def worker_gone(self, worker_id: WorkerId) -> None:
        self._bridge.worker_gone(worker_id)


@asynccontextmanager
async def opened(*, ends: bool = True, **settings: Any) -> AsyncIterator[Bridge]:  # noqa: ANN401 (the pool's)
    @asynccontextmanager
    async def connect(process: WorkerProcess) -> AsyncIterator[Any]:
        async with open_direct_channel(process) as channel:
            yield channel if ends else WithoutEnds(channel)

    async with (
        open_in_process_launcher(Counting) as launcher,
        open_pool(PoolSettings(workers=1, **settings), launcher, connect) as pool,
        open_bridge(pool, HostTools(), AnyThread()) as bridge,
    ):
        await pool.wait_ready()
        yield bridge


def tools(*names: str) -> list[Tool]:
    return [LocalTool(spec=ToolSpec(name=name), function=len) for name in names]


def cell(session: SessionId) -> CellCall:
    return CellCall(
        call_id=CallId(f"cell in {session}"),
        correlation_id=CorrelationId("sp-1"),
        session_id=session,
        code="x = 1",
        affinity=Affinity.STRICT_QUEUE,
    )


def fill(bridge: Bridge) -> None:
    """Gives two sessions tools."""
    for session in (ONE, OTHER):
        bridge.open_session(session, {})
        bridge.registry.register(session, tools("a", "b"))


async def nowhere(_: object) -> None:
    """Takes what a cell shows."""


async def test_a_session_that_is_ended_takes_its_tools_along_and_tells_how_many() -> None:
    async with opened() as bridge:
        fill(bridge)
        await bridge.pool.run_cell(cell(ONE), nowhere)

        assert await bridge.end_session(ONE) == 2 + 1  # and its variables

        assert bridge.registry.tools_of(ONE) == ()
        assert len(bridge.registry.tools_of(OTHER)) == 2
        assert not bridge.knows_session(ONE)
        assert await bridge.end_session(ONE) == 0


async def test_a_session_that_the_pool_ends_takes_its_tools_along(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as bridge:
        fill(bridge)
        with caplog.at_level(logging.INFO, "snakepit_nb.bridge"):
            await bridge.pool.end_session(ONE)

        assert "session one: 2 tools removed" in caplog.messages
        assert not bridge.knows_session(ONE)
        assert bridge.knows_session(OTHER)


async def test_a_session_that_nobody_uses_expires_with_its_tools() -> None:
    async with opened(session_ttl=1000.0) as bridge:
        fill(bridge)
        await bridge.pool.run_cell(cell(OTHER), nowhere)

        bridge.expire(time.monotonic() + 999)
        assert bridge.knows_session(ONE)
        bridge.expire(time.monotonic() + 1001)

        assert bridge.registry.tools_of(ONE) == ()
        assert not bridge.knows_session(ONE)
        assert len(bridge.registry.tools_of(OTHER)) == 2  # the pool has its variables


async def test_a_session_that_expires_in_the_pool_takes_its_tools_along() -> None:
    async with opened(session_ttl=0.05) as bridge:
        watcher = Telling(bridge)
        bridge.pool.watch_sessions(watcher)
        fill(bridge)
        await bridge.pool.run_cell(cell(ONE), nowhere)

        with anyio.fail_after(5):
            await watcher.told.wait()

        assert bridge.registry.tools_of(ONE) == ()


async def test_a_session_whose_worker_is_lost_takes_its_tools_along() -> None:
    async with opened() as bridge:
        fill(bridge)
        await bridge.pool.run_cell(cell(ONE), nowhere)
        (worker,) = bridge.pool.snapshot().workers
        remote = RemoteTool(spec=ToolSpec(name="c"), worker_id=worker.worker_id)
        elsewhere = RemoteTool(spec=ToolSpec(name="d"), worker_id=WorkerId("w9"))
        bridge.registry.register(OTHER, [remote, elsewhere])

        await bridge.pool.kill_worker(worker.worker_id, "the test wants it")

        assert bridge.registry.tools_of(ONE) == ()
        names = [tool.spec.name for tool in bridge.registry.tools_of(OTHER)]
        assert names == ["a", "b", "d"]


@pytest.mark.parametrize("ends", [True, False])
async def test_a_stream_has_a_final_chunk_whether_its_worker_sends_one_or_not(
    *, ends: bool
) -> None:
    chunks: list[ToolChunk] = []

    async def put(chunk: ToolChunk) -> None:
        chunks.append(chunk)

    async with opened(ends=ends) as bridge:
        bridge.open_session(ONE, {})
        forwarding = Forwarding(bridge)
        call = ToolCall(
            call_id=CallId("theirs"),
            correlation_id=CorrelationId("sp-1"),
            tool_name="count",
            parameters={"number": 2},
        )
        found = forwarding.find_streaming(ONE, "count")
        await forwarding.stream(forwarding.prepared(call, found, ""), put, None)

    assert [replace(chunk, metadata={}, bytes=0).data for chunk in chunks] == [0, 1, None]
    assert [chunk.is_final for chunk in chunks] == [False, False, True]
    final = dict(chunks[-1].metadata)
    assert int(final.pop("execution_time_ms")) >= 0
    made = {} if ends else {"synthetic_final": "true", "chunks_sent": "2"}
    known = {"tool_type": "remote", "worker_id": "w0"} if ends else {"tool_type": "remote"}
    assert final == known | made
