"""What a call costs, beside bare gRPC and the other ways to have a function run elsewhere.

All in one run, by turns, because machines are shared and noisy: read the ratios. Latencies are of
one process each, in blocks of calls, so that none pays for the caches that another has filled. The
others trace nothing, so these pools do not either: what that costs, `telemetry.py` tells. Calls are
those of one cell, whose correlation id they share, but where it is said that each has its own.

Usage: python benchmarks/calls.py
"""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import Context
from functools import partial
from itertools import count
from typing import Any

import anyio.from_thread
import ipyparallel
import loky
from bare_grpc import echo_server, open_channel

import snakepit_nb as snakepit
from snakepit_nb.blocking.async_pool import AsyncPool
from snakepit_nb.worker import Adapter, tool

WORKERS = 2
ROUNDS = 20
BLOCK = 25
IN_FLIGHT = 64
MANY = 3_000
MAPPED = 10_000
CHUNK = 500

numbers = count()

Work = Callable[[], object]
AsyncWork = Callable[[], Awaitable[object]]


class Idle(Adapter):
    """Tools that do nothing."""

    thread_safe = True

    @tool
    def nothing(self) -> None:
        """Does nothing, on a thread."""

    @tool
    async def nothing_soon(self) -> None:
        """Does nothing, on a loop."""


def nothing(_: object = None) -> None:
    """The function that all of them run."""


def new_function() -> Callable[[object], None]:
    """Makes a function that no pool has seen, and whose pace none knows."""
    made_at = time.perf_counter_ns()

    def nothing_new(_: object) -> None:
        _ = made_at

    return nothing_new


class Figures:
    """What was measured, printed line by line."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}

    def note(self, name: str, figure: float, unit: str) -> None:
        """Prints a figure and keeps it."""
        self.of[name] = figure
        print(f"{name:<58} {figure:10.3f} {unit}", flush=True)

    def ratio(self, name: str, one: str, other: str) -> None:
        """Prints how much of the one there is for each of the other."""
        self.note(name, self.of[one] / self.of[other], "x")


def main() -> None:
    """Measures all."""
    figures = Figures()
    with ExitStack() as opened:
        bare = opened.enter_context(bare_echoes())
        one = opened.enter_context(start_pool(1, name="one"))
        pool = opened.enter_context(start_pool(WORKERS, name="calls"))
        pool.wait_ready()
        lone: dict[str, Executor] = {
            "ProcessPoolExecutor": opened.enter_context(ProcessPoolExecutor(1)),
            "loky": opened.enter_context(loky.ProcessPoolExecutor(1)),
        }
        executors: dict[str, Executor] = {
            "ProcessPoolExecutor": opened.enter_context(ProcessPoolExecutor(WORKERS)),
            "loky": loky.get_reusable_executor(WORKERS),
        }
        cluster = ipyparallel.Cluster(n=WORKERS, log_level=40)
        client = opened.enter_context(cluster)
        client.wait_for_engines(WORKERS)
        with snakepit.correlation():
            latencies(figures, one, bare, lone, client)
            asyncio.run(awaited_latencies(figures, bare))
            throughput(figures, bare, executors, client)
            maps(figures, pool, executors, client)


def start_pool(workers: int, **options: Any) -> snakepit.Pool:
    """Starts a pool whose tools do nothing."""
    return snakepit.start(workers, adapters=[Idle], telemetry=False, **options)


def latencies(
    figures: Figures,
    pool: snakepit.Pool,
    bare: "BareEchoes",
    executors: dict[str, Executor],
    client: Any,
) -> None:
    """Times no-ops that block, one after the other."""
    works: dict[str, Work] = {
        "pool.call": partial(pool.call, "nothing"),
        "pool.call, own ids": partial(Context().run, pool.call, "nothing"),
        "pool.submit": lambda: pool.submit(nothing).result(),
        "gRPC echo, same threads, bare portal": bare.blocking,
    }
    for name, executor in executors.items():
        works[name] = partial(lambda executor: executor.submit(nothing).result(), executor)
    works["ipyparallel direct view"] = partial(client[0].apply_sync, nothing)
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            for _ in range(BLOCK):
                begun = time.perf_counter()
                work()
                if number:  # all are warm
                    times[name].append(1000 * (time.perf_counter() - begun))
    note_times(figures, times)
    figures.ratio(
        "pool.call / echo through a bare portal (at most 1.25)",
        "pool.call, median",
        "gRPC echo, same threads, bare portal, median",
    )
    figures.ratio(
        "pool.call, own ids / echo through a bare portal",
        "pool.call, own ids, median",
        "gRPC echo, same threads, bare portal, median",
    )
    figures.ratio(
        "pool.call / ipyparallel (below 1)",
        "pool.call, median",
        "ipyparallel direct view, median",
    )


async def awaited_latencies(figures: Figures, bare: "BareEchoes") -> None:
    """Times no-ops that are awaited, one after the other."""
    async with snakepit.open_pool(1, adapters=[Idle], name="awaited", telemetry=False) as pool:
        works: dict[str, AsyncWork] = {
            "await pool.call": partial(pool.call, "nothing_soon"),
            "await pool.call, own ids": partial(own_id, pool),
            "await gRPC echo, same threads": bare.awaited,
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for number in range(ROUNDS + 1):
            for name, work in works.items():
                for _ in range(BLOCK):
                    begun = time.perf_counter()
                    await work()
                    if number:
                        times[name].append(1000 * (time.perf_counter() - begun))
    note_times(figures, times)
    figures.ratio(
        "await pool.call / echo (at most 1.5)",
        "await pool.call, median",
        "await gRPC echo, same threads, median",
    )
    figures.ratio(
        "await pool.call, own ids / echo",
        "await pool.call, own ids, median",
        "await gRPC echo, same threads, median",
    )


async def own_id(pool: AsyncPool) -> None:
    """Calls with a correlation id that no other call has."""
    await pool.call("nothing_soon", correlation_id=str(next(numbers)))


def throughput(
    figures: Figures, bare: "BareEchoes", executors: dict[str, Executor], client: Any
) -> None:
    """Counts no-ops a second with 64 in flight."""
    view = client.load_balanced_view()
    with start_pool(1, name="many", profile="thread", threads=IN_FLIGHT) as pool:
        pool.call("nothing_soon")
        works: dict[str, Callable[[], float]] = {
            "await pool.call": lambda: asyncio.run(awaited_a_second("many")),
            "await pool.call, own ids": lambda: Context().run(
                asyncio.run, awaited_a_second("many")
            ),
            "raw grpc.aio unary": bare.unary_a_second,
            "raw grpc.aio, one long-lived stream": bare.streamed_a_second,
            "pool.submit": partial(submitted_a_second, pool),
            "ipyparallel": partial(ipyparallel_a_second, view),
        }
        for name, executor in executors.items():
            works[name] = partial(submitted_a_second, executor)
        found: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(5):
            for name, work in works.items():
                found[name].append(work())
    for name, counts in found.items():
        figures.note(f"{name}, 64 in flight", statistics.median(counts), "calls/s")
    figures.ratio(
        "await pool.call / raw grpc.aio (at least 0.7)",
        "await pool.call, 64 in flight",
        "raw grpc.aio unary, 64 in flight",
    )
    figures.ratio(
        "await pool.call, own ids / raw grpc.aio",
        "await pool.call, own ids, 64 in flight",
        "raw grpc.aio unary, 64 in flight",
    )
    figures.ratio(
        "await pool.call / ipyparallel (at least 3)",
        "await pool.call, 64 in flight",
        "ipyparallel, 64 in flight",
    )


def maps(
    figures: Figures, pool: snakepit.Pool, executors: dict[str, Executor], client: Any
) -> None:
    """Times maps of 10,000 no-ops in chunks."""
    items = range(MAPPED)
    view = client.load_balanced_view()
    works: dict[str, Work] = {
        "pool.map": lambda: list(pool.map(nothing, items, chunksize=CHUNK)),
        "pool.map (first of a function)": lambda: list(
            pool.map(new_function(), items, chunksize=CHUNK)
        ),
        "ipyparallel map": lambda: list(view.map_sync(nothing, items, chunksize=CHUNK)),
    }
    for name, executor in executors.items():
        works[f"{name} map"] = partial(
            lambda executor: list(executor.map(nothing, items, chunksize=CHUNK)), executor
        )
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(8):
        for name, work in works.items():
            for _ in range(4):
                begun = time.perf_counter()
                work()
                if number:
                    times[name].append(1000 * (time.perf_counter() - begun))
    for name, spent in times.items():
        figures.note(f"{name} of {MAPPED}, median", statistics.median(spent), "ms")
    figures.ratio(
        "pool.map, first of a function / ProcessPoolExecutor's (at most 2)",
        f"pool.map (first of a function) of {MAPPED}, median",
        f"ProcessPoolExecutor map of {MAPPED}, median",
    )
    figures.ratio(
        "pool.map / ProcessPoolExecutor's (at most 2)",
        f"pool.map of {MAPPED}, median",
        f"ProcessPoolExecutor map of {MAPPED}, median",
    )


def note_times(figures: Figures, times: dict[str, list[float]]) -> None:
    """Notes medians and 99th percentiles."""
    for name, spent in times.items():
        figures.note(f"{name}, median", statistics.median(spent), "ms")
        figures.note(f"{name}, p99", statistics.quantiles(spent, n=100)[98], "ms")


async def awaited_a_second(pool: str) -> float:
    """Counts awaited calls of a pool that runs."""
    running = snakepit.pool(pool)
    return await a_second(partial(AsyncPool(running.settings, running._pool).call, "nothing_soon"))


def submitted_a_second(executor: Executor) -> float:
    """Counts functions that an executor runs."""
    begun = time.perf_counter()
    left = MANY
    futures = [executor.submit(nothing) for _ in range(IN_FLIGHT)]
    while futures:
        futures.pop(0).result()
        if left > IN_FLIGHT:
            left -= 1
            futures.append(executor.submit(nothing))
    return MANY / (time.perf_counter() - begun)


def ipyparallel_a_second(view: Any) -> float:
    """Counts functions that a load-balanced view runs."""
    begun = time.perf_counter()
    left = MANY // 4  # it is slow
    results = [view.apply_async(nothing) for _ in range(IN_FLIGHT)]
    while results:
        results.pop(0).get()
        if left > IN_FLIGHT:
            left -= 1
            results.append(view.apply_async(nothing))
    return (MANY // 4) / (time.perf_counter() - begun)


async def a_second(work: AsyncWork) -> float:
    """Counts how much is done a second with 64 at once."""
    left = MANY

    async def keep_working() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await work()

    begun = time.perf_counter()
    await asyncio.gather(*(keep_working() for _ in range(IN_FLIGHT)))
    return MANY / (time.perf_counter() - begun)


class BareEchoes:
    """Echoes over gRPC on a bare portal."""

    def __init__(self, portal: Any, by_main: Any, direct: Any) -> None:
        self._portal = portal
        self._by_main = by_main.unary_unary("/echo/unary")
        self._direct = direct.unary_unary("/echo/unary")
        self._stream = direct.stream_stream("/echo/stream")

    def blocking(self) -> None:
        """One echo, for a thread that waits."""
        self._portal.call(self._echo)

    async def awaited(self) -> None:
        """One echo, for another loop."""
        await asyncio.wrap_future(self._portal.start_task_soon(self._echo))

    def unary_a_second(self) -> float:
        """Counts unary calls, from the loop itself to the server's own."""
        counted: float = self._portal.call(a_second, self._raw)
        return counted

    def streamed_a_second(self) -> float:
        """Counts messages there and back on one stream."""
        counted: float = self._portal.call(self._streamed)
        return counted

    async def _echo(self) -> None:
        await self._by_main(b"")

    async def _raw(self) -> None:
        await self._direct(b"")

    async def _streamed(self) -> float:
        rpc = self._stream()
        waiting: deque[asyncio.Future[None]] = deque()
        writing = asyncio.Lock()  # gRPC takes one message at a time

        async def send_one() -> None:
            answered = asyncio.get_running_loop().create_future()
            async with writing:
                waiting.append(answered)
                await rpc.write(b"")
            await answered

        async def receive() -> None:
            async for _ in rpc:
                waiting.popleft().set_result(None)

        receiving = asyncio.create_task(receive())
        try:
            return await a_second(send_one)
        finally:
            await rpc.done_writing()
            await receiving


@contextmanager
def bare_echoes() -> Iterator[BareEchoes]:
    """Serves two echoes, one with the thread hops of a worker, one without."""
    with (
        echo_server("main") as by_main,
        echo_server("here") as direct,
        anyio.from_thread.start_blocking_portal() as portal,
    ):
        channels = [portal.call(open_channel, address) for address in (by_main, direct)]
        yield BareEchoes(portal, *channels)
        for channel in channels:
            portal.call(channel.close)


if __name__ == "__main__":
    main()
