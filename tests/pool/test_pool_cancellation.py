"""Whoever is cancelled, wherever it waits: the pool stays in balance and serves the next call."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from snakepit_nb.calls import ToolChunk
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.pool.pool import Pool, open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.testing import open_direct_channel, open_in_process_launcher, open_test_pool

from .making import Desk, a_call, a_cell, put_nowhere

Work = Callable[[Pool], Coroutine[Any, Any, None]]


async def call(pool: Pool) -> None:
    await pool.call(a_call(name="cancelled"), timeout=None)


async def call_with_timeout(pool: Pool) -> None:
    await pool.call(a_call(name="cancelled"), timeout=60)


async def stream(pool: Pool) -> None:
    await pool.stream(a_call("emit", "cancelled"), put_nowhere, timeout=None)


async def stream_to_a_slow_reader(pool: Pool) -> None:
    async def put(_: ToolChunk) -> None:
        await anyio.sleep_forever()

    await pool.stream(a_call("emit", "cancelled"), put, timeout=None)


async def cell(pool: Pool) -> None:
    await pool.run_cell(
        a_cell("import anyio\nawait anyio.sleep_forever()", session="s"), put_nowhere
    )


async def cell_with_timeout(pool: Pool) -> None:
    endless = a_cell("import anyio\nawait anyio.sleep_forever()", session="s")
    await pool.run_cell(endless, put_nowhere, timeout=60)


EVERY_KIND = pytest.mark.parametrize(
    "work",
    [call, call_with_timeout, stream, stream_to_a_slow_reader, cell, cell_with_timeout],
    ids=lambda work: work.__name__,
)


@EVERY_KIND
@pytest.mark.parametrize("steps", range(12))
async def test_a_call_may_be_cancelled_at_any_step(work: Work, steps: int) -> None:
    desk = Desk()
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, pool)
            for _ in range(steps):
                await checkpoint()
            tasks.cancel_scope.cancel()

        await check_balance_and_service(pool, desk)
        assert len(launcher.workers) == 1  # it stopped in time, so nobody was killed


@EVERY_KIND
async def test_a_call_may_be_cancelled_while_it_runs(work: Work) -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, pool)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

        await check_balance_and_service(pool, desk)


@EVERY_KIND
async def test_a_call_may_be_cancelled_while_it_waits(work: Work) -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(pool_call, pool, "first")
        await desk.until_begun("first")
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(work, pool)
            await anyio.wait_all_tasks_blocked()
            assert len(pool.snapshot().queued) == 1
            waiting.cancel_scope.cancel()

        assert pool.snapshot().queued == ()
        assert "cancelled" not in desk.begun
        desk.open("first")
        await pool.wait_idle()
        await check_balance_and_service(pool, desk)


async def test_a_lease_granted_to_a_cancelled_caller_goes_to_the_next() -> None:
    desk = Desk()
    desk.open("second")
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(pool_call, pool, "first")
        await desk.until_begun("first")
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(call, pool)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(pool_call, pool, "second")
            await anyio.wait_all_tasks_blocked()
            desk.open("first")
            while len(pool.snapshot().queued) == 2:
                await checkpoint()
            waiting.cancel_scope.cancel()  # granted in this very turn of the loop, not begun
        await desk.until_begun("second")

    assert pool.snapshot().finished == 3


async def test_a_pool_may_be_cancelled_while_it_starts() -> None:
    async def never(_: LaunchSpec) -> None:
        await anyio.sleep_forever()

    async with open_in_process_launcher(before_launch=never) as launcher:
        with anyio.CancelScope() as scope:
            async with (
                open_pool(PoolSettings(workers=3), launcher, open_direct_channel) as pool,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(pool.wait_ready)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()

        assert scope.cancelled_caught
        assert launcher.workers == []


async def test_a_pool_may_be_cancelled_while_calls_run_and_wait() -> None:
    desk = Desk()
    async with open_in_process_launcher(desk) as launcher:
        with anyio.CancelScope() as scope:
            async with (
                open_test_pool(launcher=launcher) as pool,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(pool_call, pool, "runs")
                await desk.until_begun("runs")
                tasks.start_soon(pool_call, pool, "waits")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()

        assert desk.ended == ["runs"]
        assert [str(await worker.wait()) for worker in launcher.workers] == ["signal 9"]
        assert pool.snapshot().queued == ()


async def test_a_cancelled_close_still_ends_all_workers() -> None:
    async with open_in_process_launcher() as launcher:
        with anyio.CancelScope() as scope:
            async with open_test_pool(launcher=launcher, workers=3):
                scope.cancel()

        assert [str(await worker.wait()) for worker in launcher.workers] == ["signal 9"] * 3


async def pool_call(pool: Pool, name: str) -> None:
    await pool.call(a_call(name=name), timeout=None)


async def check_balance_and_service(pool: Pool, desk: Desk) -> None:
    snapshot = pool.snapshot()
    assert [worker.load for worker in snapshot.workers] == [0]
    assert snapshot.queued == ()
    desk.open("next")
    with anyio.fail_after(5):
        await pool_call(pool, "next")
