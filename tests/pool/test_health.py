"""Workers that fall ill, are cleared, are killed for it, or have served long enough."""

from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest

from snakepit_nb.errors import ToolError, WorkerCrashedError
from snakepit_nb.pool.pool import Pool
from snakepit_nb.scheduling.health import ProcessLook
from snakepit_nb.testing import open_in_process_launcher, open_test_pool
from snakepit_nb.testing.in_process_launcher import InProcessLauncher
from snakepit_nb.testing.in_process_worker import InProcessWorker
from snakepit_nb.worker import tool
from tests.waiting import until_async

from .making import Desk, a_call, a_cell, put_nowhere

QUICK: dict[str, Any] = {"heartbeat_interval": 0.02, "heartbeat_misses": 2}


def states(pool: Pool) -> dict[str, str]:
    return {worker.worker_id: worker.state for worker in pool.snapshot().workers}


def first(launcher: InProcessLauncher) -> InProcessWorker:
    return next(worker for worker in launcher.workers if worker.worker_id == "w0")


def silence(launcher: InProcessLauncher, *, is_stopped: bool = False) -> None:
    worker = first(launcher)
    worker.answers = anyio.Event()
    worker.looks = ProcessLook(is_stopped=is_stopped, cpu_seconds=0.0, memory=0)


@pytest.mark.parametrize(("is_stopped", "state"), [(True, "frozen"), (False, "stuck")])
async def test_a_silent_worker_is_named_gets_no_calls_and_is_cleared_when_it_answers(
    *, is_stopped: bool, state: str
) -> None:
    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, workers=2, **QUICK) as pool,
    ):
        silence(launcher, is_stopped=is_stopped)
        await until_async(lambda: states(pool)["w0"] == state)
        for _ in range(4):
            await pool.call(a_call(name="a"), timeout=None)
        served_meanwhile = first(launcher).has_run
        first(launcher).answers.set()
        await until_async(lambda: states(pool)["w0"] == "idle")

    assert not served_meanwhile


async def test_a_worker_that_computes_in_native_code_is_named_so_and_left_to_its_call() -> None:
    desk = Desk()
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, unresponsive_busy=0.05, **QUICK) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(partial(pool.call, a_call(name="a"), timeout=None))
        await desk.until_begun("a")
        silence(launcher)
        worker = first(launcher)
        with anyio.move_on_after(0.3):  # which is many times `unresponsive_busy`
            while True:
                looks = worker.looks
                assert looks is not None
                worker.looks = ProcessLook(
                    is_stopped=False, cpu_seconds=looks.cpu_seconds + 1, memory=0
                )
                await anyio.sleep(0.005)

        assert states(pool) == {"w0": "in native code"}
        desk.open("a")


async def test_a_busy_worker_that_hangs_is_killed_after_its_time() -> None:
    desk = Desk()
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, unresponsive_busy=0.1, **QUICK) as pool,
        anyio.create_task_group() as tasks,
    ):
        errors: list[BaseException] = []

        async def call() -> None:
            with pytest.raises(WorkerCrashedError) as caught:
                await pool.call(a_call(name="a"), timeout=None)
            errors.append(caught.value)

        tasks.start_soon(call)
        await desk.until_begun("a")
        silence(launcher, is_stopped=True)
        await until_async(lambda: errors)
        await until_async(lambda: pool.snapshot().problems)

        assert "it did not answer for 0 s (frozen)" in str(errors[0])
        assert pool.snapshot().problems[0].startswith("Worker w0 was killed: it did not answer")


async def test_an_idle_worker_that_hangs_is_replaced_sooner() -> None:
    async with (
        open_in_process_launcher(Desk()) as launcher,
        open_test_pool(launcher=launcher, unresponsive_idle=0.05, **QUICK) as pool,
    ):
        silence(launcher)
        await until_async(lambda: states(pool) == {"w0.1": "idle"})


async def test_the_only_worker_is_used_though_it_be_ill() -> None:
    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, **QUICK) as pool,
    ):
        silence(launcher)
        await until_async(lambda: states(pool)["w0"] == "stuck")

        assert (await pool.call(a_call(name="a"), timeout=None)).value == "a"


class Gpu(Desk):
    """Its `compute` fails as a broken device does."""

    @tool
    def compute(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


async def test_a_worker_whose_device_broke_is_kept_apart_for_a_while() -> None:
    async with open_test_pool(Gpu, workers=2, taint_seconds=0.2, **QUICK) as pool:
        with pytest.raises(ToolError):
            await pool.call(a_call("compute"), timeout=None)
        ill = next(name for name, state in states(pool).items() if state == "tainted")
        with suppress(ToolError):
            await pool.call(a_call("fail"), timeout=None)
        assert states(pool)[ill] == "tainted"
        await until_async(lambda: states(pool)[ill] == "idle")


@pytest.mark.parametrize("limit", [{"max_calls": 3}, {"worker_ttl": 0.1}])
async def test_a_worker_that_served_long_enough_is_replaced_and_never_missed(
    limit: dict[str, Any],
) -> None:
    desk = Desk()
    desk.open("a")
    fewest: list[int] = []
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, **limit, **QUICK) as pool,
    ):
        while "w0.1" not in states(pool) or "w0" in states(pool):
            await pool.call(a_call(name="a"), timeout=None)
            fewest.append(sum(state in ("idle", "busy") for state in states(pool).values()))

    assert min(fewest) == 1


async def test_a_worker_that_grew_too_large_is_replaced() -> None:
    async with (
        open_in_process_launcher(Desk()) as launcher,
        open_test_pool(launcher=launcher, max_memory=1000, **QUICK) as pool,
    ):
        first(launcher).looks = ProcessLook(is_stopped=False, cpu_seconds=0.0, memory=1001)
        await until_async(lambda: states(pool) == {"w0.1": "idle"})


async def test_a_worker_that_keeps_a_session_stays_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_test_pool(Desk, max_calls=1, **QUICK) as pool:
        await pool.run_cell(a_cell("x = 1", session="s"), put_nowhere)
        await until_async(lambda: "should be replaced" in caplog.text)

        assert "keeps session s: %snakepit restart w0" in caplog.text
        assert states(pool) == {"w0": "idle"}
