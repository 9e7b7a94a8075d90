"""What it costs to have a large array in a worker and back, beside the other executors.

All in one run, by turns in blocks, because machines are shared and noisy: read the ratios, also
that to a plain copy of the same array, which tells how fast the memory was meanwhile. Processor
time, of this process and the worker together, is about what a quiet machine would take: the two
ends work one after the other.

Usage: python benchmarks/arrays.py
"""

import statistics
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import loky
import numpy as np
import psutil
from calls import Figures, Work

import snakepit_nb as snakepit
from snakepit_nb.worker import Adapter, tool

SIZES = {"1 MB": 1_000_000, "100 MB": 100_000_000}
ROUNDS = 6
BLOCK = 3
AT_MOST_SECONDS = 0.2


class Echoing(Adapter):
    """A tool that gives back what it is given."""

    @tool
    def echo(self, value: Any) -> Any:
        """Gives it back."""
        return value


def echo(value: object) -> object:
    """The function that all of them run."""
    return value


def main() -> None:
    """Measures all."""
    figures = Figures()
    with ExitStack() as opened:
        executors: dict[str, Executor] = {
            "ProcessPoolExecutor": opened.enter_context(ProcessPoolExecutor(1)),
            "loky": opened.enter_context(loky.ProcessPoolExecutor(1)),
        }
        processes = {name: psutil.Process(pid_of(executor)) for name, executor in executors.items()}
        # Behind these: what forks a process that has threads of gRPC, may break it.
        pool = opened.enter_context(snakepit.start(1, adapters=[Echoing], name="arrays"))
        pool.wait_ready()
        worker = next(worker.pid for worker in pool.status().workers if worker.pid)
        processes |= dict.fromkeys(("pool.call", "pool.submit"), psutil.Process(worker))
        for size, length in SIZES.items():
            array = np.random.default_rng(0).random(length // 8)
            works = ways(array, pool, executors)
            there_and_back(figures, size, works, processes)
    seconds = figures.of["100 MB, pool.call, median"] / 1000
    words = "below" if seconds < AT_MOST_SECONDS else "above"
    print(f"100 MB there and back: {words} the {AT_MOST_SECONDS:g} s that a quiet machine may take")


def ways(array: Any, pool: snakepit.Pool, executors: dict[str, Executor]) -> dict[str, Work]:
    """Gives what brings an array to a worker and back, each in its way."""
    works: dict[str, Work] = {
        "a plain copy": array.copy,
        "pool.call": partial(pool.call, "echo", value=array),
        "pool.submit": lambda: pool.submit(echo, array).result(),
    }
    for name, executor in executors.items():
        works[name] = partial(lambda executor: executor.submit(echo, array).result(), executor)
    return works


def there_and_back(
    figures: Figures, size: str, works: dict[str, Work], processes: dict[str, psutil.Process]
) -> None:
    """Times an array's way to a worker and back."""
    times: dict[str, list[float]] = {name: [] for name in works}
    processor: dict[str, list[float]] = {name: [] for name in works}
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            before = processor_time(processes.get(name))
            for _ in range(BLOCK):
                begun = time.perf_counter()
                work()
                if number:  # all are warm
                    times[name].append(1000 * (time.perf_counter() - begun))
            if number:
                spent = processor_time(processes.get(name)) - before
                processor[name].append(1000 * spent / BLOCK)
    note_times(figures, size, times, processor)


def note_times(
    figures: Figures, size: str, times: dict[str, list[float]], processor: dict[str, list[float]]
) -> None:
    """Notes medians, the best and the ratios of the pool's to the others'."""
    for name, spent in times.items():
        figures.note(f"{size}, {name}, median", statistics.median(spent), "ms")
        figures.note(f"{size}, {name}, best", min(spent), "ms")
        figures.note(f"{size}, {name}, processor", statistics.median(processor[name]), "ms")
    for other in ("a plain copy", "ProcessPoolExecutor", "loky"):
        for what in ("median", "processor"):
            name = f"{size}, pool.call / {other}, {what}"
            figures.ratio(name, f"{size}, pool.call, {what}", f"{size}, {other}, {what}")


def pid_of(executor: Any) -> int:
    """Starts an executor's only process, and tells which it is."""
    executor.submit(echo, None).result()
    (pid,) = executor._processes
    return int(pid)


def processor_time(other: psutil.Process | None) -> float:
    """Reads how many seconds this process and another have computed."""
    theirs = 0.0
    if other is not None:
        times = other.cpu_times()
        theirs = times.user + times.system
    return time.process_time() + theirs


if __name__ == "__main__":
    main()
