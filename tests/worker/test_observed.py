import asyncio
from collections.abc import Callable
from threading import Barrier, Thread

import anyio
import pytest

from snakepit_nb.observations import LONGEST_TEXT, LogEntry, SpanRecord
from snakepit_nb.telemetry.redaction import redaction
from snakepit_nb.worker.observed import BATCH_SECONDS, MOST_KEPT, MOST_SENT, Observed

WITHIN = 5


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # a worker serves on it


def line(number: int = 0) -> LogEntry:
    return LogEntry(at=number, level=30, logger="l", message=str(number))


def span(number: int = 1) -> SpanRecord:
    return SpanRecord(trace_id=1, span_id=number, name="s", begun=0, ended=1)


def attached() -> Observed:
    observed = Observed()
    loop = asyncio.get_running_loop()
    observed.attach(loop.call_soon_threadsafe)
    return observed


def test_what_comes_first_is_taken_first() -> None:
    observed = Observed()
    for number in range(3):
        observed.add_log(line(number))
    observed.add_span(span())

    taken = observed.take(load=7)

    assert [each.at for each in taken.logs] == [0, 1, 2]
    assert (taken.load, len(taken.spans), taken.dropped) == (7, 1, 0)
    assert observed.take(load=0).logs == ()


def test_no_observation_gets_too_large() -> None:
    observed = Observed()
    for number in range(MOST_SENT + 1):
        observed.add_log(line(number))

    first, second = observed.take(load=0), observed.take(load=0)

    assert (len(first.logs), len(second.logs)) == (MOST_SENT, 1)


def test_what_comes_too_fast_lets_the_oldest_go_and_is_counted_once() -> None:
    observed = Observed()
    for number in range(MOST_KEPT + 10):
        observed.add_log(line(number))
    for number in range(MOST_KEPT + 5):
        observed.add_span(span(number))

    first, second = observed.take(load=0), observed.take(load=0)

    assert (first.dropped, second.dropped) == (15, 0)
    assert (first.logs[0].at, first.spans[0].span_id) == (10, 5)


async def test_whoever_waits_is_told_a_moment_after_something_came() -> None:
    observed = attached()
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observed.filled)
            await anyio.lowlevel.checkpoint()
            begun = anyio.current_time()
            await anyio.to_thread.run_sync(observed.add_log, line())

    assert anyio.current_time() - begun >= BATCH_SECONDS
    assert len(observed.take(load=0).logs) == 1


async def test_what_came_before_anybody_waited_is_not_waited_for() -> None:
    observed = attached()
    observed.add_span(span())

    with anyio.fail_after(WITHIN):
        await observed.filled()


async def test_below_the_bound_nothing_is_lost_whoever_added_it() -> None:
    observed = attached()
    begin = Barrier(8)

    def add(first: int) -> None:
        begin.wait()
        for number in range(first, first + 500):
            observed.add_log(line(number))

    threads = [Thread(target=add, args=(number * 500,)) for number in range(8)]
    for thread in threads:
        thread.start()
    taken: list[LogEntry] = []
    dropped = 0
    with anyio.fail_after(WITHIN * 2):
        while len(taken) < 4000:
            await observed.filled()
            seen = observed.take(load=0)
            taken += seen.logs
            dropped += seen.dropped

    assert sorted(each.at for each in taken) == list(range(4000))
    assert dropped == 0
    for number in range(8):  # those of one thread in their order
        own = [each.at for each in taken if each.at // 500 == number]
        assert own == sorted(own)


async def test_at_a_workers_end_what_is_left_is_taken_without_a_wait() -> None:
    observed = attached()
    for number in range(MOST_SENT + 1):
        observed.add_log(line(number))
    taken: list[int] = []

    observed.end()
    begun = anyio.current_time()
    while await observed.filled():
        taken.append(len(observed.take(load=0).logs))

    assert taken == [MOST_SENT, 1]
    assert anyio.current_time() - begun < BATCH_SECONDS


async def test_a_workers_end_wakes_whoever_waits() -> None:
    observed = attached()
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observed.filled)
            await anyio.lowlevel.checkpoint()
            observed.end()

    assert observed.take(load=0).logs == ()


async def test_an_interrupt_while_a_line_is_added_does_not_hold_up_the_next() -> None:
    observed = Observed()
    loop = asyncio.get_running_loop()
    interrupts = iter([KeyboardInterrupt()])

    def call_serving(callback: Callable[[], object]) -> None:
        for interrupt in interrupts:  # one comes right as this is called
            raise interrupt
        loop.call_soon_threadsafe(callback)

    observed.attach(call_serving)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observed.filled)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(KeyboardInterrupt):
                observed.add_log(line(1))
            observed.add_log(line(2))

    assert [each.at for each in observed.take(load=0).logs] == [1, 2]


def test_a_secret_at_the_cut_of_a_long_line_is_not_told_by_half() -> None:
    secret = "hunter2-hunter2"  # noqa: S105 (to be hidden)
    redaction.hide(secret)
    observed = Observed()
    for begin in range(LONGEST_TEXT - len(secret), LONGEST_TEXT + 1):
        text = f"{'x' * begin}{secret}{'y' * 100}"
        observed.add_log(LogEntry(at=1, level=30, logger="l", message=text, traceback=text[::-1]))

    for entry in observed.take(0).logs:
        assert "hunter" not in entry.message
        assert len(entry.message) < LONGEST_TEXT + 100
