"""What becomes of calls whose workers are lost, and of the places of those workers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from signal import SIGKILL, SIGSEGV
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from snakepit_nb.calls import CellEvent, ClearOutput, StreamText, ToolChunk
from snakepit_nb.errors import (
    CallCancelledError,
    CircuitOpenError,
    PoolClosedError,
    Progress,
    SessionLostError,
    WorkerCrashedError,
)
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.pool.pool import Pool
from snakepit_nb.pool.snapshot import WorkerStatus
from snakepit_nb.settings import Affinity, Profile
from snakepit_nb.telemetry.correlation import current_correlation_id
from snakepit_nb.testing import open_in_process_launcher, open_test_pool
from snakepit_nb.testing.in_process_launcher import InProcessLauncher
from snakepit_nb.testing.in_process_worker import InProcessWorker
from snakepit_nb.worker import tool
from tests.waiting import until_async

from .making import Desk, a_call, a_cell, put_nowhere


class SafeDesk(Desk):
    """Its `again` and `stream_again` may run twice."""

    thread_safe = True

    @tool(idempotent=True)
    async def again(self, name: str) -> str:
        return await self.work(name)

    @tool(idempotent=True)
    async def stream_again(self, name: str) -> AsyncIterator[int]:
        async for item in self.emit(name):
            yield item


@asynccontextmanager
async def opened(
    desk: Desk,
    **settings: Any,  # noqa: ANN401 (as the settings are)
) -> AsyncIterator[tuple[Pool, InProcessLauncher]]:
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, **settings) as pool,
    ):
        yield pool, launcher


class Outcome:
    """How some work ended, once it has."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._work = work
        self.value: object = None
        self.error: BaseException | None = None

    async def __call__(self) -> None:
        try:
            self.value = await self._work()
        except Exception as error:  # noqa: BLE001 (it is what the test is about)
            self.error = error


async def running_on(pool: Pool) -> str:
    """Returns the worker that runs the only call."""
    with anyio.fail_after(5):
        while True:
            for worker in pool.snapshot().workers:
                if worker.load:
                    return worker.worker_id
            await checkpoint()


def crash(launcher: InProcessLauncher, worker_id: str, *, by: int = SIGKILL) -> None:
    worker = next(worker for worker in launcher.workers if worker.worker_id == worker_id)
    worker.crash(signal=by)


async def test_an_idempotent_call_runs_again_on_another_worker() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=2) as (pool, launcher):
        outcome = Outcome(partial(pool.call, a_call("again", "a"), timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await desk.until_begun("a")
            first = await running_on(pool)
            crash(launcher, first)
            await until_async(lambda: desk.begun.count("a") == 2)
            second = await running_on(pool)
            desk.open("a")

    assert outcome.error is None
    assert desk.begun == ["a", "a"]
    assert second != first


async def test_the_worker_that_replaces_another_does_not_belong_to_the_call_that_lost_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    belonged: list[CorrelationId | None] = []

    def note(_: object) -> bool:
        belonged.append(current_correlation_id())
        return True

    caplog.handler.addFilter(note)
    desk = SafeDesk()
    async with opened(desk) as (pool, launcher):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Outcome(partial(pool.call, a_call(name="a"), timeout=None)))
            await desk.until_begun("a")
            crash(launcher, "w0")
        await until_async(lambda: [worker.state for worker in pool.snapshot().workers] == ["idle"])
        crash(launcher, "w0.1")
        await until_async(lambda: "worker w0.1 ended by itself" in caplog.text)

    assert set(belonged) == {None}


async def test_what_crashes_two_workers_is_not_tried_on_a_third() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=2) as (pool, launcher):
        outcome = Outcome(partial(pool.call, a_call("again", "a"), timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            for times in (1, 2):
                await until_async(partial(has_begun, desk, times))
                crash(launcher, await running_on(pool), by=SIGSEGV)

    assert isinstance(outcome.error, WorkerCrashedError)
    assert " before) is gone while it ran again" in outcome.error.message
    assert "It was not run again: it has crashed two workers." in outcome.error.message
    assert desk.begun == ["a", "a"]


async def test_a_call_that_may_not_run_twice_does_not() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=2) as (pool, launcher):
        outcome = Outcome(partial(pool.call, a_call("work", "a"), timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await desk.until_begun("a")
            crash(launcher, await running_on(pool))

    assert isinstance(outcome.error, WorkerCrashedError)
    assert outcome.error.progress is Progress.STARTED
    assert desk.begun == ["a"]


async def test_a_stream_of_which_items_are_out_does_not_begin_again() -> None:
    desk = SafeDesk()
    chunks: list[ToolChunk] = []

    async def put(chunk: ToolChunk) -> None:
        chunks.append(chunk)

    async with opened(desk, workers=2) as (pool, launcher):
        outcome = Outcome(partial(pool.stream, a_call("stream_again", "a"), put, timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await until_async(lambda: chunks)
            crash(launcher, await running_on(pool))

    assert isinstance(outcome.error, WorkerCrashedError)
    assert "its first items are out" in outcome.error.message
    assert [chunk.data for chunk in chunks] == [1]


async def test_a_call_that_needs_lost_state_is_told_so_though_it_had_not_begun() -> None:
    desk = Desk()
    async with opened(desk, workers=1, profile=Profile.PROCESS) as (pool, launcher):
        await pool.run_cell(a_cell("x = 1", session="s"), put_nowhere)
        outcome = Outcome(partial(pool.run_cell, a_cell("x", session="s"), put_nowhere))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await running_on(pool)
            crash(launcher, "w0")

    assert isinstance(outcome.error, SessionLostError)
    assert "its variables (x)" in outcome.error.message


async def test_a_cell_that_may_run_twice_begins_again_and_says_so() -> None:
    desk = Desk()
    shown: list[CellEvent] = []
    code = "import anyio\nprint('begun')\nawait anyio.sleep(0.05)"

    async def put(event: CellEvent) -> None:
        shown.append(event)

    async with opened(desk, workers=2) as (pool, launcher):
        outcome = Outcome(partial(pool.run_cell, a_cell(code, is_idempotent=True), put))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await until_async(lambda: shown)
            crash(launcher, await running_on(pool))

    texts = [event.text for event in shown if isinstance(event, StreamText)]
    assert outcome.error is None
    assert "".join(texts).count("begun") == 2
    assert ClearOutput(wait=False) in shown
    assert any("it runs again" in text for text in texts)


async def test_calls_of_one_lost_worker_are_each_told_the_truth_of_their_own() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=1, profile=Profile.THREAD, threads=3) as (pool, launcher):
        begun = Outcome(partial(pool.call, a_call("work", "a"), timeout=None))
        again = Outcome(partial(pool.call, a_call("again", "b"), timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begun)
            tasks.start_soon(again)
            await desk.until_begun("a", "b")
            desk.open("b")
            crash(launcher, "w0")

    assert isinstance(begun.error, WorkerCrashedError)
    assert again.value is not None


async def test_one_lost_worker_counts_once_however_many_calls_it_ran() -> None:
    desk = SafeDesk()
    names = [str(number) for number in range(40)]
    async with opened(desk, workers=1, profile=Profile.THREAD, threads=40, breaker_limit=2) as (
        pool,
        launcher,
    ):
        once = [Outcome(partial(pool.call, a_call("work", n), timeout=None)) for n in names[:20]]
        again = [Outcome(partial(pool.call, a_call("again", n), timeout=None)) for n in names[20:]]
        async with anyio.create_task_group() as tasks:
            for outcome in (*once, *again):
                tasks.start_soon(outcome)
            await desk.until_begun(*names)
            desk.open(*names[20:])
            crash(launcher, "w0")

        assert all(isinstance(outcome.error, WorkerCrashedError) for outcome in once)
        assert [outcome.error for outcome in again] == [None] * 20
        assert pool.snapshot().circuits == {}


async def test_a_call_can_be_cancelled_while_it_waits_to_run_again() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=1) as (pool, launcher):
        call = a_call("again", "a")
        outcome = Outcome(partial(pool.call, call, timeout=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome)
            await desk.until_begun("a")
            crash(launcher, "w0")
            await until_async(lambda: not pool.snapshot().workers[0].calls)
            await pool.cancel(call.call_id)

        assert isinstance(outcome.error, CallCancelledError)
        assert desk.begun == ["a"]
        assert not pool.snapshot().workers[0].load


async def test_a_pool_that_closes_ends_what_waits_to_run_again() -> None:
    desk = SafeDesk()
    outcomes: list[Outcome] = []
    async with anyio.create_task_group() as tasks, opened(desk, workers=1) as (pool, launcher):
        outcomes.append(Outcome(partial(pool.call, a_call("again", "a"), timeout=None)))
        tasks.start_soon(outcomes[0])
        await desk.until_begun("a")
        crash(launcher, "w0")
        await until_async(lambda: not pool.snapshot().workers[0].calls)

    assert isinstance(outcomes[0].error, PoolClosedError)


async def test_a_place_whose_workers_crash_too_often_is_given_up() -> None:
    async with opened(Desk(), workers=2, restart_limit=2) as (pool, launcher):
        for worker_id in ("w0", "w0.1", "w0.2"):
            await until_async(partial(is_listed, launcher.workers, worker_id))
            await pool.wait_ready()
            crash(launcher, worker_id)
            await until_async(partial(is_gone, pool, worker_id))

        assert [worker.worker_id for worker in snap(pool)] == ["w1"]
        told = pool.snapshot().problems[-1]
        assert "w0.2 was the last of 3 in its place" in told
        assert "The problem before this: Worker w0." in told
        assert pool.snapshot().given_up == ("w0.2",)
        assert "w0.2 is not replaced" in [*pool.snapshot().happenings][-1].words
        pool.resize(2)
        assert pool.snapshot().given_up == ()
        await pool.wait_ready()
        assert [worker.worker_id for worker in snap(pool)] == ["w0.3", "w1"]


async def test_without_a_limit_no_place_is_given_up() -> None:
    async with opened(Desk(), workers=1, restart_limit=None) as (pool, launcher):
        for number in range(1, 11):
            await until_async(partial(are_started, launcher, number))
            await pool.wait_ready()
            launcher.workers[-1].crash(signal=9)
        await until_async(partial(are_started, launcher, 11))


def are_started(launcher: InProcessLauncher, number: int) -> bool:
    return len(launcher.workers) == number


async def test_a_tool_that_loses_its_workers_is_not_called_for_a_while() -> None:
    desk = SafeDesk()
    async with opened(
        desk, workers=1, breaker_limit=2, breaker_seconds=0.2, restart_limit=None
    ) as (pool, launcher):

        async def lose() -> None:
            outcome = Outcome(partial(pool.call, a_call("work", "a"), timeout=None))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcome)
                await until_async(lambda: pool.snapshot().workers[0].state == "busy" and desk.begun)
                desk.begun.clear()
                launcher.workers[-1].crash(signal=9)
            assert isinstance(outcome.error, WorkerCrashedError)

        await lose()
        await lose()
        with pytest.raises(CircuitOpenError, match="'work' crashed its workers"):
            await pool.call(a_call("work", "a"), timeout=None)
        assert pool.snapshot().circuits == {"work": "open"}
        await until_async(lambda: pool.snapshot().circuits == {"work": "half-open"})
        await lose()
        assert pool.snapshot().circuits == {"work": "open"}
        await until_async(lambda: pool.snapshot().circuits == {"work": "half-open"})
        desk.open("a")
        await pool.call(a_call("work", "a"), timeout=None)

        assert pool.snapshot().circuits == {}


async def test_what_a_tool_raises_opens_no_circuit() -> None:
    async with opened(Desk(), breaker_limit=1) as (pool, _):
        for _ in range(3):
            with pytest.raises(ValueError, match="as it should"):
                await pool.call(a_call("fail"), timeout=None)


async def test_a_lease_on_a_lost_worker_is_told_and_not_moved() -> None:
    desk = SafeDesk()
    async with opened(desk, workers=2) as (pool, launcher):
        call = a_call("again", "a", affinity=Affinity.HINT)
        async with pool.lease(call.correlation_id) as lease:
            outcome = Outcome(partial(lease.call, call, timeout=None))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(outcome)
                await desk.until_begun("a")
                crash(launcher, lease.worker_id)

    assert isinstance(outcome.error, WorkerCrashedError)
    assert desk.begun == ["a"]


def snap(pool: Pool) -> tuple[WorkerStatus, ...]:
    return pool.snapshot().workers


def has_begun(desk: Desk, times: int) -> bool:
    return desk.begun.count("a") == times


def is_listed(workers: Iterable[WorkerStatus | InProcessWorker], worker_id: str) -> bool:
    return worker_id in [worker.worker_id for worker in workers]


def is_gone(pool: Pool, worker_id: str) -> bool:
    return not is_listed(snap(pool), worker_id)
