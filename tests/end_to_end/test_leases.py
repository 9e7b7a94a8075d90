"""Who places calls: the pool by load, or the caller by leases."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking import options
from snakepit_nb.blocking.async_pool import AsyncPool
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    PoolError,
    QueueTimeoutError,
    UsageError,
    WorkerCrashedError,
)
from snakepit_nb.settings import CapacityStrategy
from tests.waiting import until

from .holding import OPTIONS, Holding

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

THREADS = 3


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=2,
        profile="thread",
        threads=THREADS,
        capacity_strategy="profile",
        queue_timeout=1.0,
        name="leases",
        **OPTIONS,
    ) as started:
        started.wait_ready()
        yield started


@pytest.fixture
def holding(pool: Pool, tmp_path: Path) -> Iterator[Holding]:
    with Holding(pool, tmp_path) as opened:
        yield opened


@pytest.fixture
def defaults() -> Iterator[None]:
    """What a test configures for its process is undone."""
    kept = dict(options.defaults)
    yield
    options.defaults.clear()
    options.defaults.update(kept)


@pytest.mark.usefixtures("defaults")
def test_the_strategy_is_pool_unless_the_process_or_the_pool_says_otherwise() -> None:
    with snakepit.start(workers=1, name="by_default") as pool:
        assert pool.settings.capacity_strategy is CapacityStrategy.POOL

    assert snakepit.configure(capacity_strategy="profile") == {"capacity_strategy": "profile"}
    with snakepit.start(workers=1, name="by_process") as pool:
        assert pool.settings.capacity_strategy is CapacityStrategy.PROFILE
    with snakepit.start(workers=1, name="by_pool", capacity_strategy="pool") as pool:
        assert pool.settings.capacity_strategy is CapacityStrategy.POOL
    with pytest.raises(UsageError, match="capacity_strategy 'profil': did you mean 'profile'"):
        snakepit.configure(capacity_strategy="profil")


@pytest.mark.usefixtures("defaults")
async def test_the_process_decides_for_pools_of_async_code_too() -> None:
    snakepit.configure(capacity_strategy="profile")

    async with snakepit.open_pool(workers=1) as pool:
        assert pool.settings.capacity_strategy is CapacityStrategy.PROFILE


def test_by_pool_a_worker_is_filled_without_being_asked(tmp_path: Path) -> None:
    with (
        snakepit.start(
            workers=1, profile="thread", threads=THREADS, name="filled", **OPTIONS
        ) as pool,
        Holding(pool, tmp_path) as holding,
    ):
        assert len({holding.begin().pid for _ in range(THREADS)}) == 1


def test_by_profile_a_worker_runs_one_call_by_itself_and_the_next_ones_wait(
    pool: Pool, holding: Holding
) -> None:
    held = [holding.begin(), holding.begin()]
    assert len({one.pid for one in held}) == 2

    with pytest.raises(QueueTimeoutError):
        pool.call("pid")
    assert loads(pool) == [1, 1]

    waiting = holding.submit()
    until(lambda: len(pool.status().queued) == 1)
    assert held[0].end() == waiting.pid


def test_by_profile_leases_use_all_that_a_worker_holds_and_then_it_is_full(pool: Pool) -> None:
    (first, _) = (worker.worker_id for worker in pool.status().workers)
    with ExitStack() as leases:
        taken = [leases.enter_context(pool.lease(first)) for _ in range(THREADS)]

        assert [lease.worker_id for lease in taken] == [first] * THREADS
        assert loads(pool) == [THREADS, 0]
        assert len({lease.call("pid") for lease in taken}) == 1
        with pytest.raises(QueueTimeoutError, match="lease waited"), pool.lease(first):
            raise NotImplementedError
    assert loads(pool) == [0, 0]


def test_leases_of_one_worker_run_their_calls_at_once(pool: Pool, tmp_path: Path) -> None:
    with ExitStack() as scopes:
        held = []
        for number in range(THREADS):
            directory = tmp_path / str(number)
            directory.mkdir()
            lease = scopes.enter_context(pool.lease("w0"))
            held.append(scopes.enter_context(Holding(lease, directory)).begin())

        assert len({one.pid for one in held}) == 1


def test_who_waits_for_a_full_worker_gets_the_share_that_is_given_back(pool: Pool) -> None:
    def lease_once() -> object:
        with pool.lease("w0") as lease:
            return lease.call("pid")

    with ThreadPoolExecutor() as threads, ExitStack() as leases:
        for _ in range(THREADS):
            leases.enter_context(pool.lease("w0"))
        waiting = threads.submit(lease_once)
        until(lambda: len(pool.status().queued) == 1)
        leases.pop_all().close()

        assert waiting.result(10) == pool.status().workers[0].pid


def test_a_lease_without_a_worker_takes_the_least_loaded(pool: Pool) -> None:
    with pool.lease("w0"), pool.lease("w0"), pool.lease() as lease:
        assert lease.worker_id == "w1"
        assert list(lease.stream("streaming", seconds=0))


def test_a_worker_that_is_not_there_cannot_be_leased(pool: Pool) -> None:
    with pytest.raises(PoolError, match="no worker w7"), pool.lease("w7"):
        raise NotImplementedError


def test_what_runs_too_long_on_a_lease_is_told_and_the_lease_goes_on(
    pool: Pool, tmp_path: Path
) -> None:
    with pool.lease() as lease, Holding(lease, tmp_path) as holding:
        heeding = holding.begin("until_cancelled", timeout=0.2)
        with pytest.raises(CallTimeoutError):
            heeding.answer.result(10)

        assert lease.call("pid") == heeding.pid


def test_cancelling_all_calls_ends_what_runs_on_a_lease_and_leaves_the_lease(
    pool: Pool, tmp_path: Path
) -> None:
    with pool.lease() as lease, Holding(lease, tmp_path) as holding:
        assert pool.cancel() == 0
        heeding = holding.begin("until_cancelled")

        assert pool.cancel() == 1

        with pytest.raises(CallCancelledError, match="was interrupted"):
            heeding.answer.result(10)
        assert lease.call("pid") == heeding.pid


def test_a_lease_whose_worker_is_lost_says_so_and_leaves_no_share_booked(pool: Pool) -> None:
    with pool.lease() as lease:
        pid = lease.call("pid")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerCrashedError, match=lease.worker_id):
            lease.call("pid")
        until(lambda: pid not in {worker.pid for worker in pool.status().workers})
        with pytest.raises(WorkerCrashedError, match=lease.worker_id):
            lease.call("pid")
    pool.wait_ready()
    assert loads(pool) == [0, 0]


@pytest.fixture(scope="module")
async def async_pool() -> AsyncIterator[AsyncPool]:
    async with snakepit.open_pool(
        workers=1,
        profile="thread",
        threads=THREADS,
        capacity_strategy="profile",
        queue_timeout=1.0,
        **OPTIONS,
    ) as opened:
        yield opened


async def test_async_code_leases_up_to_the_workers_capacity(async_pool: AsyncPool) -> None:
    async with async_pool.lease() as one, async_pool.lease("w0") as two, async_pool.lease():
        assert await one.call("pid") == await two.call("pid")
        assert [seen async for seen in two.stream("streaming", seconds=0)]
        assert [worker.load for worker in (await async_pool.status()).workers] == [THREADS]
        with pytest.raises(QueueTimeoutError):
            async with async_pool.lease():
                raise NotImplementedError


async def test_cancelling_who_waits_for_a_lease_leaves_no_share_booked(
    async_pool: AsyncPool,
) -> None:
    async def lease_for_ever() -> None:
        async with async_pool.lease():
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for _ in range(THREADS + 1):
            tasks.start_soon(lease_for_ever)
        with anyio.fail_after(5):
            while (await async_pool.status()).workers[0].load < THREADS:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    status = await async_pool.status()
    assert (status.workers[0].load, status.queued) == (0, ())


def loads(pool: Pool) -> list[int]:
    return [worker.load for worker in pool.status().workers]
