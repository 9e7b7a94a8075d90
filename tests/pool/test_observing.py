"""What a pool does with what its workers tell of their calls, and whose its own log lines are."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from snakepit_nb.calls import ToolCall, ToolResult
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.observations import Observation
from snakepit_nb.pool.pool import open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.correlation import current_label
from snakepit_nb.testing import open_direct_channel, open_in_process_launcher
from snakepit_nb.testing.direct_channel import DirectChannel

from .making import Desk, a_call


class Garbled(DirectChannel):
    """The way to a worker that tells nonsense of its calls."""

    async def observe(self, *, each_load: bool) -> AsyncGenerator[Observation]:
        if not each_load:
            raise ValueError("nonsense")
        yield Observation(load=0)


class Labelled(DirectChannel):
    """The way to a worker, on which the label of each call is noted."""

    labels: list[tuple[str, ...] | None]

    async def call(self, call: ToolCall) -> ToolResult:
        Labelled.labels.append(current_label())
        return await super().call(call)


@asynccontextmanager
async def open_garbled(process: WorkerProcess) -> AsyncIterator[DirectChannel]:
    async with open_direct_channel(process) as channel:
        yield Garbled(channel._worker)


@asynccontextmanager
async def open_labelled(process: WorkerProcess) -> AsyncIterator[DirectChannel]:
    async with open_direct_channel(process) as channel:
        yield Labelled(channel._worker)


async def test_a_worker_that_tells_nonsense_of_its_calls_serves_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_pool(PoolSettings(workers=1), launcher, open_garbled) as pool,
    ):
        await pool.wait_ready()
        result = await pool.call(a_call(name="a"), timeout=None)

    assert result.value == "a"
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert record.getMessage() == "what worker w0 tells of its calls is not heard any more"


async def test_what_is_logged_on_the_way_to_a_worker_is_labelled_with_the_call() -> None:
    desk = Desk()
    desk.open("a")
    call = a_call(name="a", session="s1")
    Labelled.labels = []
    async with (
        open_in_process_launcher(desk) as launcher,
        open_pool(PoolSettings(workers=1, name="mine"), launcher, open_labelled) as pool,
    ):
        await pool.wait_ready()
        await pool.call(call, timeout=None)

    assert Labelled.labels == [(call.correlation_id, "mine/w0", "s1")]
    assert current_label() is None
