"""Who places calls on workers that hold several, and who counts them."""

import anyio
import pytest

from snakepit_nb.errors import PoolError, QueueTimeoutError, SnakepitError
from snakepit_nb.identifiers import CorrelationId, WorkerId
from snakepit_nb.pool.lease import ManualLease
from snakepit_nb.pool.pool import Pool
from snakepit_nb.settings import CapacityStrategy, Profile
from snakepit_nb.telemetry import bus
from snakepit_nb.telemetry.events import Event
from snakepit_nb.testing import open_test_pool

from .making import Desk, a_call

ID = CorrelationId("sp-000000000000000000000000")


class ThreadedDesk(Desk):
    """A desk where several calls may be at work."""

    thread_safe = True


async def test_by_the_profile_strategy_a_worker_gets_one_call_from_the_pool_itself() -> None:
    desk = ThreadedDesk()
    async with (
        open_test_pool(
            desk, profile=Profile.THREAD, threads=4, capacity_strategy=CapacityStrategy.PROFILE
        ) as pool,
        anyio.create_task_group() as tasks,
    ):
        for name in "ab":
            tasks.start_soon(call, pool, name)
            await anyio.wait_all_tasks_blocked()
        assert desk.begun == ["a"]
        desk.open("a", "b")
        await desk.until_begun("b")


async def test_leases_go_up_to_the_capacity_and_a_full_worker_queues() -> None:
    desk = ThreadedDesk()
    async with (
        open_test_pool(
            desk,
            profile=Profile.THREAD,
            threads=2,
            capacity_strategy=CapacityStrategy.PROFILE,
            queue_timeout=0.05,
        ) as pool,
        pool.lease(ID) as first,
        anyio.create_task_group() as tasks,
    ):
        async with pool.lease(ID, WorkerId("w0")) as second:
            for lease, name in ((first, "a"), (second, "b"), (second, "c")):
                tasks.start_soon(call, lease, name)
                await anyio.wait_all_tasks_blocked()
            assert desk.begun == ["a", "b"], "a lease runs one call after the other"
            with pytest.raises(QueueTimeoutError):
                await pool.call(a_call(name="d"), timeout=None)
            desk.open("a", "b", "c", "d")
            await desk.until_begun("c")
        assert (await pool.call(a_call(name="d"), timeout=None)).value == "d"
        with pytest.raises(PoolError, match="no worker w9"):
            async with pool.lease(ID, WorkerId("w9")):
                pass


async def test_a_lease_of_a_lost_worker_is_told_at_once() -> None:
    desk = ThreadedDesk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        told = anyio.Event()

        async def wait_for_a_lease() -> None:
            with pytest.raises(PoolError, match="no worker w0"):
                async with pool.lease(ID, WorkerId("w0")):
                    pass
            told.set()

        async with pool.lease(ID):
            tasks.start_soon(wait_for_a_lease)
            await anyio.wait_all_tasks_blocked()
            await pool.kill_worker(WorkerId("w0"), "the test wants it")
            with anyio.fail_after(5):
                await told.wait()


async def test_who_holds_a_lease_may_stop_the_pool() -> None:
    async with open_test_pool(ThreadedDesk()) as pool, pool.lease(ID) as lease:
        with anyio.fail_after(5):
            await pool.wait_idle()
            await pool.aclose()
        with pytest.raises(SnakepitError):
            await lease.call(a_call(name="late"), timeout=None)


async def test_by_the_hybrid_strategy_the_worker_counts_too() -> None:
    desk = ThreadedDesk()
    told: list[Event] = []
    unsubscribe = bus.on("pool.capacity_reached", told.append)
    async with (
        open_test_pool(
            desk, profile=Profile.THREAD, threads=2, capacity_strategy=CapacityStrategy.HYBRID
        ) as pool,
        anyio.create_task_group() as tasks,
    ):
        for load, name in enumerate("ab", start=1):
            tasks.start_soon(call, pool, name)
            await until_ledgers(pool, load)
        desk.open("a")
        await until_ledgers(pool, 1)
        desk.open("b")
        await until_ledgers(pool, 0)
    bus.flush()
    unsubscribe()

    (full,) = told
    assert full.name == "pool.capacity_reached"
    assert full.measurements == {"capacity": 2, "load": 2, "booked": 2}
    assert full.metadata == {"pool": "default", "worker_id": "w0", "profile": "thread"}


async def test_by_the_other_strategies_no_worker_is_asked() -> None:
    async with open_test_pool(ThreadedDesk()) as pool:
        assert pool.snapshot().workers[0].counted_load is None


async def call(on: Pool | ManualLease, name: str) -> None:
    await on.call(a_call(name=name), timeout=None)


async def until_ledgers(pool: Pool, load: int) -> None:
    """Waits until the pool and its worker both count so many calls."""

    def agree() -> bool:
        (worker,) = pool.snapshot().workers
        return worker.load == worker.counted_load == load

    with anyio.fail_after(5):
        await pool._dispatch.until(agree)
