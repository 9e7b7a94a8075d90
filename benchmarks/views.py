"""What a view costs a stream and the kernel: 100,000 chunks with and without, and ten at once.

Usage: python benchmarks/views.py. What the page makes of it is measured by tests/browser.
"""

import statistics

from bench_kernel import CellRun, Kernel, open_kernel

CHUNKS = 100_000
ROUNDS = 4
VIEWS = 10
MOST_SLOWDOWN = 0.10

SETUP = """
import os, threading, time
os.environ.pop("SNAKEPIT_NONINTERACTIVE", None)
get_ipython().run_line_magic("load_ext", "snakepit_nb")
import snakepit_nb as snakepit
from snakepit_nb.worker import Adapter, tool

class Counting(Adapter):
    thread_safe = True

    @tool
    def count(self, to: int):
        for number in range(to):
            yield {"progress": number / to, "number": number, "half": number / 2}

    @tool
    def drip(self, seconds: float):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.002)
            yield {"left": until - time.monotonic(), "x": 1.0}

pool = snakepit.start(1, adapters=[Counting], stream_timeout=900)

def seconds(to, show):
    begun = time.perf_counter()
    numbers = [chunk["number"] for chunk in pool.stream("count", to=to, show=show)]
    spent = time.perf_counter() - begun
    assert numbers == list(range(to)), "a chunk was lost"
    return spent

_ = seconds(1000, True), seconds(1000, False)
"""

TEN = """
crowd = snakepit.start(1, name="crowd", adapters=[Counting], profile="thread", threads=VIEWS)
def drip(show):
    for chunk in crowd.stream("drip", seconds=8.0, show=show): pass
def late(show):
    threads = [threading.Thread(target=drip, args=(show,)) for _ in range(VIEWS)]
    for thread in threads: thread.start()
    time.sleep(2.0)
    waits = []
    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        begun = time.perf_counter()
        time.sleep(0.005)
        waits.append(1000 * (time.perf_counter() - begun) - 5)
    for thread in threads: thread.join()
    waits.sort()
    return waits[len(waits) // 2], waits[int(0.99 * len(waits))]
late(False), late(True)
"""


def main() -> None:
    """Measures all."""
    with open_kernel() as kernel:
        kernel.run(SETUP)
        slowdown(kernel)
        many(kernel)


def slowdown(kernel: Kernel) -> None:
    """Prints what a view adds to a stream, in turns within one run."""
    without: list[float] = []
    with_view: list[float] = []
    painted: list[float] = []
    for number in range(ROUNDS):
        for is_shown in (False, True) if number % 2 else (True, False):
            run = kernel.run(f"seconds({CHUNKS}, {is_shown})")
            (with_view if is_shown else without).append(float(run.value))
            if is_shown:
                painted.append(updates(run) / float(run.value))
    added = statistics.median(a / b for a, b in zip(with_view, without, strict=True)) - 1
    print(
        f"{CHUNKS:,} chunks: {min(without):.2f} s without a view, {min(with_view):.2f} s with one: "
        f"{added:+.1%} (at most {MOST_SLOWDOWN:+.0%}); {max(painted):.1f} updates a second",
        flush=True,
    )


def updates(run: CellRun) -> int:
    return sum(message["msg_type"] == "comm_msg" for message in run.messages)


def many(kernel: Kernel) -> None:
    """Prints how late the main thread is woken while many streams run, without and with views."""
    code = TEN.replace("VIEWS", str(VIEWS))
    without, with_views = eval(kernel.run(code).value)  # noqa: S307 (our own numbers)
    for name, (median, most) in (("without views", without), (f"{VIEWS} views", with_views)):
        print(f"{VIEWS} streams, {name}: main thread late by {median:.1f} ms, p99 {most:.1f} ms")


if __name__ == "__main__":
    main()
