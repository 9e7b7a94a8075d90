"""Runs a mixed load for long, and tells what becomes of the kernel's memory and of all it holds.

Usage: SNAKEPIT_SOAK_SECONDS=3600 python benchmarks/soak.py; it fails where something grows.
"""

import ctypes
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psutil
from soak_tools import linger

import snakepit_nb as snakepit
from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    SessionLostError,
    WorkerCrashedError,
)

CALLERS = 6
SAMPLES = 8
WARM_UP_SHARE = 0.25
KILL_SECONDS = 20.0
GROWING_AND_SHRINKING = ("AnyIO worker thread",)
"""The threads of which there are more or fewer, within bounds, as there is to do."""
MOST_NATIVE_THREADS = 24
"""Those that grpcio makes and ends by itself included."""
COMES_AND_GOES = "registry.db"
"""A file that is open for as long as something is noted."""
GROWTH_BYTES = 8 * 1024 * 1024
LANES = (12, 6)
"""So many descriptors and threads come with a worker's threads, each made when it is needed."""
LOOKING_SECONDS = 0.02
MIB = 1024 * 1024
HERE = Path(__file__).parent
OPTIONS: dict[str, Any] = {
    "adapters": ["soak_tools:SoakTools"],
    "env": {"PYTHONPATH": str(HERE)},
    "restart_limit": None,
    "breaker_limit": None,
    "queue_timeout": 60.0,
}
EXPECTED = (
    CallCancelledError,
    CallTimeoutError,
    KeyboardInterrupt,
    SessionLostError,
    WorkerCrashedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The kernel's process when nothing runs."""

    seconds: float
    calls: int
    cancels: int
    left: int
    """Streams that were left in their midst."""
    resident: int
    descriptors: tuple[str, ...]
    threads: tuple[str, ...]
    native_threads: int
    children: tuple[str, ...]
    workers: dict[int, tuple[int, int]]
    """By process id, how many descriptors and threads each has."""


@dataclass(slots=True)
class Soak:
    """Two pools under load, and what was seen."""

    pools: tuple[snakepit.Pool, snakepit.Pool]
    begun: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Loads the pools, and takes samples in between, from the end of the warm-up on."""
        self.load(seconds * WARM_UP_SHARE)
        self.samples.append(self.sample())
        for _ in range(SAMPLES):
            self.load(seconds * (1 - WARM_UP_SHARE) / SAMPLES)
            self.samples.append(self.sample())

    def load(self, seconds: float) -> None:
        """Lets callers call for so long, and returns when all is over."""
        deadline = time.monotonic() + seconds
        seeds = (f"{number} {len(self.samples)}" for number in range(CALLERS))
        works = [
            *(partial(self.call_until, deadline, Random(seed)) for seed in seeds),  # noqa: S311
            partial(self.kill_until, deadline),
        ]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def call_until(self, deadline: float, random: Random) -> None:
        """One caller."""
        names = list(STEPS)
        weights = [weight for weight, _ in STEPS.values()]
        while time.monotonic() < deadline:
            (name,) = random.choices(names, weights)
            try:
                STEPS[name][1](random.choice(self.pools), random)
            except EXPECTED as error:
                self.counts[type(error).__name__] += 1
            except BaseException as error:  # noqa: BLE001 (it is told)
                self.unexpected.append(f"{name}: {error!r}")
            self.counts[name] += 1

    def kill_until(self, deadline: float) -> None:
        """Kills a worker now and then."""
        random = Random(deadline)  # noqa: S311
        while time.monotonic() + KILL_SECONDS < deadline:
            time.sleep(KILL_SECONDS)
            pool = random.choice(self.pools)
            pids = [worker.pid for worker in pool.status().workers if worker.pid]
            if pids:
                with suppress(ProcessLookupError):
                    os.kill(random.choice(pids), signal.SIGKILL)
                self.counts["kill"] += 1

    def sample(self) -> Sample:
        """Waits until all workers serve and nothing runs, and measures."""
        workers = {}
        for pool in self.pools:
            while not is_whole(pool):
                time.sleep(LOOKING_SECONDS)
            for worker in pool.status().workers:
                with pool.lease(worker.worker_id) as lease:
                    workers[worker.pid or 0] = tuple(lease.call("own_figures"))
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        process = psutil.Process()
        return Sample(
            seconds=time.monotonic() - self.begun,
            calls=sum(self.counts[name] for name in STEPS),
            cancels=sum(self.counts[name] for name in CANCELLING),
            left=self.counts["leave a stream"],
            resident=process.memory_info().rss,
            descriptors=tuple(
                sorted(
                    name
                    for name in map(opened, Path("/proc/self/fd").iterdir())
                    if COMES_AND_GOES not in name
                )
            ),
            threads=tuple(
                sorted(
                    name
                    for thread in threading.enumerate()
                    if (name := re.sub(r"\d+", "N", thread.name)) not in GROWING_AND_SHRINKING
                )
            ),
            native_threads=process.num_threads(),
            children=tuple(sorted(child.name() for child in process.children(recursive=True))),
            workers=workers,
        )

    def complaints(self) -> list[str]:
        """Tells what has grown, and what should not have happened."""
        first, last = self.samples[0], self.samples[-1]
        found = self.unexpected[:5]
        for what in ("descriptors", "threads", "children"):
            before, *later = (Counter(getattr(sample, what)) for sample in self.samples)
            found += [f"{what}: {now - before} more" for now in later if now - before]
        natives = [sample.native_threads for sample in self.samples]
        if max(natives) > MOST_NATIVE_THREADS:
            found.append(f"threads, as the system counts them: {natives}")
        grown = last.resident - first.resident
        if grown > GROWTH_BYTES:
            found.append(f"memory has grown by {grown / MIB:.1f} MiB")
        return found + self.complaints_of_workers()

    def complaints_of_workers(self) -> list[str]:
        """Tells which worker has more than when it was seen for the second time."""
        seen: dict[int, list[tuple[int, int]]] = {}
        for sample in self.samples:
            for pid, figures in sample.workers.items():
                seen.setdefault(pid, []).append(figures)
        return [
            f"worker {pid}, descriptors and threads: {figures}"
            for pid, figures in seen.items()
            for kind in (0, 1)
            if any(each[kind] > figures[1][kind] + LANES[kind] for each in figures[2:])
        ]

    def figures(self) -> dict[str, float]:
        """Returns what is worth knowing, by name."""
        first, last = self.samples[0], self.samples[-1]
        hours = (last.seconds - first.seconds) / 3600
        return {
            "calls": last.calls,
            "cancels": last.cancels,
            "streams left": last.left,
            "kills": self.counts["kill"],
            "resident after the warm-up, MiB": first.resident / MIB,
            "growth, MiB": (last.resident - first.resident) / MIB,
            "slope, MiB/h": slope([(s.seconds / 3600, s.resident / MIB) for s in self.samples]),
            "calls/s": (last.calls - first.calls) / hours / 3600,
        }


def is_whole(pool: snakepit.Pool) -> bool:
    """Tells whether all workers serve and none has anything to do."""
    states = [worker.state for worker in pool.status().workers]
    return states == ["idle"] * pool.settings.workers


def opened(descriptor: Path) -> str:
    """Names what a descriptor is of, without its number."""
    try:
        return re.sub(r"\d+", "N", str(descriptor.readlink()))
    except OSError:
        return ""  # the one that listed them


def slope(points: list[tuple[float, float]]) -> float:
    """Fits a line by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum(
        (x - mean_x) ** 2 for x, _ in points
    )


def leave_stream(pool: snakepit.Pool, _: Random) -> None:
    """Leaves a stream in its midst."""
    stream = pool.stream("count", until=10_000)
    next(stream)
    stream.close()


def cancel_function(pool: snakepit.Pool, _: Random) -> None:
    """Cancels a function that runs, or waits."""
    future = pool.submit(linger)
    future.cancel()
    with suppress(BaseException):
        future.result()


def run_cell(pool: snakepit.Pool, random: Random) -> None:
    """Runs a cell in one of a few sessions, or in none."""
    session = random.choice([None, "red", "blue"])
    pool.run_cell("x = 1; print(x); x", session=session, show=lambda _event: None)


STEPS: dict[str, tuple[int, Callable[[snakepit.Pool, Random], object]]] = {
    "call": (40, lambda pool, random: pool.call("echo", value=[random.random()] * 100)),
    "call again": (10, lambda pool, _: pool.call("work")),
    "stream": (10, lambda pool, _: list(pool.stream("count", until=20))),
    "leave a stream": (1, leave_stream),
    "cell": (10, run_cell),
    "function": (10, lambda pool, random: pool.submit(pow, random.randrange(99), 2).result()),
    "cancel": (1, cancel_function),
    "time-out": (1, lambda pool, _: pool.call("linger", timeout=0.05)),
}
"""What callers do, and how often of a hundred times."""
CANCELLING = ("cancel", "time-out")


def measure(seconds: float) -> Soak:
    """Soaks."""
    with (
        snakepit.start(name="processes", workers=2, **OPTIONS) as first,
        snakepit.start(name="threads", workers=1, profile="thread", threads=4, **OPTIONS) as second,
    ):
        soak = Soak((first, second))
        soak.run(seconds)
        return soak


def main() -> None:
    """Prints all figures, and fails where something has grown."""
    soak = measure(float(os.environ.get("SNAKEPIT_SOAK_SECONDS", "60")))
    for sample in soak.samples:
        figures = asdict(sample)
        for what in ("descriptors", "threads", "children"):
            figures[what] = len(figures[what])
        print(json.dumps(figures))
    print(dict(soak.counts))
    for name, figure in soak.figures().items():
        print(f"{name:40} {figure:12.2f}")
    complaints = soak.complaints()
    sys.exit("\n".join(complaints) if complaints else 0)


if __name__ == "__main__":
    main()
