"""Streams through the bridge: what ends leaves nothing, and a slow reader slows the tool.

SNAKEPIT_BRIDGE_STREAMS and SNAKEPIT_BRIDGE_CHUNKS make it longer, as `make chaos` does.
"""

import asyncio
import gc
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.blocking.portal import portal

from .asking import Program, asking

STREAMS = int(os.environ.get("SNAKEPIT_BRIDGE_STREAMS", "90"))
CHUNKS = int(os.environ.get("SNAKEPIT_BRIDGE_CHUNKS", "30000"))
T = TypeVar("T")
READERS = 8
CAPACITY = 8
MOST_AHEAD = 25_000
"""Chunks of a few bytes. What stands between are the windows of two connections."""

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(60 + STREAMS + CHUNKS // 500),
]


@pytest.fixture
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=2,
        name="streaming",
        profile="thread",
        threads=4,
        capacity_strategy="hybrid",
        adapters=["stream_users:Streams"],
        env={"PYTHONPATH": str(Path(__file__).parent)},
    ) as started:
        yield started


@pytest.fixture
def program(pool: Pool) -> Iterator[Program]:
    with asking(pool.serve()) as found:
        found.open_session()
        yield found


def test_streams_leave_no_capacity_task_or_call_behind(pool: Pool, program: Program) -> None:
    for number in range(3):
        read_one(program, number)  # what the first ones load and open stays
    before = left_over(pool)

    with ThreadPoolExecutor(READERS) as readers:
        ends = Counter(readers.map(lambda number: read_one(program, number), range(STREAMS)))

    after = left_over(pool)
    sys.stdout.write(f"{STREAMS} streams: {dict(ends)}; left: {dict(after)}\n")
    assert set(ends) == {"whole", "cancelled", "failed"}
    assert after <= before
    assert first_of_as_many_as_fit(program) == [0] * CAPACITY


def test_a_slow_reader_keeps_a_bounded_number_of_chunks_waiting(
    pool: Pool, program: Program
) -> None:
    pool.resize(1)  # so that the worker that is asked is the one that streams
    read, ahead = 0, []
    for _ in program.stream("count", number=CHUNKS):
        read += 1
        if read in (1, CHUNKS // 3):
            ahead.append(settled(lambda: pool.call("produced_now")) - read)

    sys.stdout.write(f"{CHUNKS} chunks: the tool ran ahead by {ahead}\n")
    assert read == CHUNKS + 1
    assert max(ahead) < min(MOST_AHEAD, CHUNKS)


def read_one(program: Program, number: int) -> str:
    """Reads a stream to its end, or as far as its number says."""
    match number % 3:
        case 0:
            chunks = [chunk.data for chunk in program.stream("count", number=20)]
            assert len(chunks) == 21
            return "whole"
        case 1:
            stream = program.stream("for_ever")
            for _ in range(number % 5):
                next(stream)
            stream.cancel()
            return "cancelled"
        case _:
            with pytest.raises(grpc.RpcError):
                list(program.stream("fail_at", number=number % 7))
            return "failed"


def first_of_as_many_as_fit(program: Program) -> list[int]:
    """Streams as many at once as the pool holds, and returns what each begins with."""
    streams = [program.stream("for_ever") for _ in range(CAPACITY)]
    begun = [int(next(stream).data) for stream in streams]
    for stream in streams:
        stream.cancel()
    return begun


def left_over(pool: Pool) -> Counter[str]:
    """Counts what calls hold and leave, once that has settled.

    Loads as the pool and the workers count them, tasks of the pools' thread, and gRPC's calls.
    """

    def counted() -> Counter[str]:
        gc.collect()
        names = [f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects()]
        return Counter(
            {
                "load": sum(worker.load for worker in pool.status().workers),
                "counted": sum(worker.counted_load or 0 for worker in pool.status().workers),
                "known": len(portal().call(lambda: pool._pool._dispatch.calls)),
                "tasks": len(portal().call(asyncio.all_tasks)),
                "calls": sum(bool(re.fullmatch(r"grpc\.aio.*Call", name)) for name in names),
            }
        )

    return settled(counted)


def settled(look: Callable[[], T]) -> T:
    """Waits until what is seen stays so for a quarter of a second."""
    seen, times = look(), 0
    while times < 5:
        threading.Event().wait(0.05)
        again = look()
        times = times + 1 if again == seen else 0
        seen = again
    return seen
