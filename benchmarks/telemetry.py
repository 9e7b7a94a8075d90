"""What spans and logs cost a call: pools with telemetry on and off, in interleaved blocks.

Usage: python benchmarks/telemetry.py
"""

import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import snakepit_nb as snakepit
from snakepit_nb.telemetry.bus import emit, on
from snakepit_nb.telemetry.events import PoolResized
from snakepit_nb.telemetry.traces import traces
from snakepit_nb.worker import Adapter, tool

PAIRS = 40
BLOCK = 50
MOST_MILLISECONDS = 0.2
CHUNKS = 200
EVENTS = 100_000


class Idle(Adapter):
    """Tools that do nothing."""

    @tool
    def nothing(self) -> None:
        """Does nothing."""

    @tool
    def count(self, to: int) -> Iterator[int]:
        """Counts."""
        yield from range(to)


def main() -> None:
    """Measures all."""
    with ExitStack() as opened:
        on, off = (
            opened.enter_context(
                snakepit.start(1, adapters=[Idle], name=name, telemetry=name == "on")
            )
            for name in ("on", "off")
        )
        cost("a call", lambda pool: pool.call("nothing"), on, off)
        cost("a submitted function", lambda pool: pool.submit(int).result(), on, off)
        cost("a cell", lambda pool: pool.run_cell("pass", session="s"), on, off)
        cost("a stream", lambda pool: list(pool.stream("count", to=CHUNKS)), on, off, block=5)
    found = traces.find()
    assert found is not None
    assert len(found.spans) >= 3
    burst()


def burst() -> None:
    """Prints what a burst costs who tells it, with a handler that is slow."""
    is_open = threading.Event()
    end = on("pool.resized", lambda _: is_open.wait())
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    times = []
    for number in range(EVENTS):
        begun = time.perf_counter()
        emit(PoolResized(pool="burst", workers=1, before=number))
        times.append(1e6 * (time.perf_counter() - begun))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    peak -= before + sys.getsizeof(times) + EVENTS * sys.getsizeof(1.0)
    is_open.set()
    end()
    print(
        f"{EVENTS} events, one each {statistics.median(times):.2f} us, the longest "
        f"{max(times) / 1000:.2f} ms; they hold at most {peak / 1e6:.1f} MB"
    )


def cost(
    what: str,
    work: Callable[[snakepit.Pool], object],
    on: snakepit.Pool,
    off: snakepit.Pool,
    *,
    block: int = BLOCK,
) -> None:
    """Prints what telemetry adds, as the median over pairs of blocks of the medians' difference."""
    for pool in (on, off):
        spent(work, pool, block)  # to warm it up
    pairs = [
        (spent(work, on, block), spent(work, off, block))
        if number % 2
        else (spent(work, off, block), spent(work, on, block))[::-1]
        for number in range(PAIRS)
    ]
    added = statistics.median(with_ - without for with_, without in pairs)
    without = statistics.median(without for _, without in pairs)
    print(
        f"{what:<22} {without:7.3f} ms without, telemetry adds {added:6.3f} ms "
        f"(at most {MOST_MILLISECONDS})",
        flush=True,
    )


def spent(work: Callable[[snakepit.Pool], object], pool: snakepit.Pool, block: int) -> float:
    """Returns the median of a block, in milliseconds."""
    times = []
    for _ in range(block):
        begun = time.perf_counter()
        work(pool)
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


if __name__ == "__main__":
    main()
