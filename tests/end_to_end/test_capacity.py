"""A pool uses all the capacity of its workers, and tells the truth about it meanwhile."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.async_pool import AsyncPool
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.blocking.portal_task import wait
from snakepit_nb.channel.grpc_channel import GrpcChannel
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from tests.waiting import until

from .capacity_tools import Seen
from .holding import OPTIONS, Held, Holding

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

WORKERS, THREADS = 2, 4
SECONDS = 0.5
AT_MOST = 1.0
TRIES = 3  # a shared machine may take a pause, but not each time
HEALTHY = 0.1

Work = Callable[[], Seen]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=WORKERS, profile="thread", threads=THREADS, name="capacity", **OPTIONS
    ) as started:
        started.wait_ready()
        yield started


@pytest.fixture
def holding(pool: Pool, tmp_path: Path) -> Iterator[Holding]:
    with Holding(pool, tmp_path) as opened:
        yield opened


def plain(pool: Pool, _: int) -> Seen:
    return cast("Seen", pool.call("plain", seconds=SECONDS))


def awaiting(pool: Pool, _: int) -> Seen:
    return cast("Seen", pool.call("awaiting", seconds=SECONDS))


def streaming(pool: Pool, _: int) -> Seen:
    return cast("Seen", list(pool.stream("streaming", seconds=SECONDS))[-1])


def streaming_async(pool: Pool, _: int) -> Seen:
    return cast("Seen", list(pool.stream("streaming_async", seconds=SECONDS))[-1])


def plain_cell(pool: Pool, number: int) -> Seen:
    return run_cell(pool, f"plain-{number}", f"seen = plain({SECONDS})")


def awaiting_cell(pool: Pool, number: int) -> Seen:
    return run_cell(pool, f"awaiting-{number}", f"seen = await awaiting({SECONDS})")


def run_cell(pool: Pool, session: str, code: str) -> Seen:
    reply = pool.run_cell(code, session=session, returns=("seen",))
    assert reply.error is None, reply.error
    return cast("Seen", reply.returns["seen"])


KINDS = {
    "sync calls": [plain],
    "async calls": [awaiting],
    "streams": [streaming],
    "async streams": [streaming_async],
    "a mix": [plain, awaiting, streaming, streaming_async],
}


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_run_at_once_as_all_workers_have_threads(pool: Pool, kind: str) -> None:
    makers = KINDS[kind]
    works = [partial(makers[number % len(makers)], pool, number) for number in range(8)]

    assert_all_at_once(works)


@pytest.mark.parametrize("maker", [plain_cell, awaiting_cell])
def test_cells_of_sessions_run_at_once(pool: Pool, maker: Callable[[Pool, int], Seen]) -> None:
    name = maker.__name__.removesuffix("_cell")
    for number in range(8):  # each makes itself a shell, which is not what is measured here
        run_cell(pool, f"{name}-{number}", f"from capacity_tools import {name}; seen = (0, 0)")

    assert_all_at_once([partial(maker, pool, number) for number in range(8)])
    for number in range(8):
        pool.end_session(f"{name}-{number}")


def test_cells_calls_and_streams_run_at_once(pool: Pool) -> None:
    for number in range(2):  # one session on each worker
        run_cell(pool, f"plain-{number}", "from capacity_tools import plain; seen = (0, 0)")
    cells = [partial(plain_cell, pool, number) for number in range(2)]

    assert_all_at_once(
        cells + [partial(make, pool, 0) for make in (plain, awaiting, streaming) for _ in range(2)]
    )
    for number in range(2):
        pool.end_session(f"plain-{number}")


@pytest.fixture(scope="module")
async def async_pool() -> AsyncIterator[AsyncPool]:
    async with snakepit.open_pool(
        workers=WORKERS, profile="thread", threads=THREADS, **OPTIONS
    ) as opened:
        while not all(worker.capacity for worker in (await opened.status()).workers):
            await anyio.lowlevel.checkpoint()
        yield opened


async def test_calls_of_async_code_run_at_once(async_pool: AsyncPool) -> None:
    async def stream() -> Seen:
        async with aclosing(async_pool.stream("streaming", seconds=SECONDS)) as pieces:
            return cast("Seen", [piece async for piece in pieces][-1])

    works: list[Callable[[], Awaitable[Seen]]] = [
        partial(async_pool.call, "plain", seconds=SECONDS),
        partial(async_pool.call, "awaiting", seconds=SECONDS),
        stream,
        stream,
    ] * 2
    took = []
    for _ in range(TRIES):
        seen: list[Seen] = []

        async def keep(work: Callable[[], Awaitable[Seen]], seen: list[Seen] = seen) -> None:
            seen.append(await work())

        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(keep, work)
        took.append(time.perf_counter() - begun)
        assert_four_in_each_of_two(seen)
    assert min(took) < AT_MOST, took


def assert_all_at_once(works: list[partial[Seen]]) -> None:
    assert len(works) == WORKERS * THREADS
    took: list[float] = []
    with ThreadPoolExecutor(len(works)) as threads:
        while not took or (min(took) >= AT_MOST and len(took) < TRIES):
            begun = time.perf_counter()
            futures = [threads.submit(work) for work in works]
            seen = [future.result() for future in futures]
            took.append(time.perf_counter() - begun)
            assert_four_in_each_of_two(seen)
    assert min(took) < AT_MOST, took


def assert_four_in_each_of_two(seen: list[Seen]) -> None:
    """Each call saw its process full before it ended: this is why they are that fast."""
    assert sorted(Counter(seen).values()) == [THREADS] * WORKERS, seen
    assert {most for _, most in seen} == {THREADS}, seen


def test_health_is_told_at_once_while_all_shares_are_taken(pool: Pool, holding: Holding) -> None:
    for _ in range(WORKERS * THREADS):
        holding.begin()
    assert loads(pool.status()) == [THREADS] * WORKERS

    answers = {"status": pool.status}
    for name, worker in pool._pool._dispatch.workers.items():
        answers[name] = partial(wait, partial(ping, worker.channel))
    took = {name: min(seconds_of(answer) for _ in range(TRIES)) for name, answer in answers.items()}

    assert len(took) == 1 + WORKERS
    assert max(took.values()) < HEALTHY, took


def test_the_loads_are_the_calls_in_flight_at_every_moment(pool: Pool, holding: Holding) -> None:
    held = []
    for _ in range(WORKERS * THREADS):
        held.append(holding.begin())
        assert by_process(pool) == Counter(one.pid for one in held)
    waiting: list[Held] = []
    while len(waiting) < 3:  # in the order in which they will have their turns
        waiting.append(holding.submit())
        until(lambda: len(pool.status().queued) == len(waiting))
    assert by_process(pool).total() == WORKERS * THREADS
    assert not any(one.has_begun for one in waiting)
    for one in waiting:  # each takes the share that becomes free, and nobody sees it free
        held.pop(0).end()
        held.append(one)
        assert by_process(pool) == Counter(one.pid for one in held)
    while held:
        held.pop(0).end()
        assert by_process(pool) == Counter(one.pid for one in held)


def test_no_snapshot_shows_another_load_than_calls(pool: Pool) -> None:
    def one(number: int) -> None:
        if number % 2:
            pool.call("pid")
        else:
            list(pool.stream("streaming", seconds=0))

    with ThreadPoolExecutor(12) as threads:
        futures = [threads.submit(one, number) for number in range(200)]
        while not all(future.done() for future in futures):
            for worker in pool.status().workers:
                assert worker.load == len(worker.calls) <= worker.capacity
        for future in futures:
            future.result()
    assert loads(pool.status()) == [0, 0]


def ping(channel: object) -> Any:  # noqa: ANN401 (a generated message)
    assert isinstance(channel, GrpcChannel)
    return channel._unary(channel._bridge.Ping, bridge.PingRequest(message="there?"), None)


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def loads(status: PoolSnapshot) -> list[int]:
    return [worker.load for worker in status.workers]


def by_process(pool: Pool) -> Counter[int | None]:
    """How many calls each process has, as the pool's observers see it."""
    return +Counter({worker.pid: worker.load for worker in pool.status().workers})
