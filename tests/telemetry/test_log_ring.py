import gc
import threading
from itertools import count

import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.observations import LONGEST_TEXT, LogEntry
from snakepit_nb.telemetry.log_ring import KEPT_ENTRIES, LogRing, level_number

moments = count()


def entry(
    message: str = "",
    *,
    at: int | None = None,
    level: int = 20,
    correlation_id: str = "",
    worker: str = "",
) -> LogEntry:
    return LogEntry(
        at=next(moments) if at is None else at,
        level=level,
        logger="test",
        message=message,
        correlation_id=correlation_id,
        worker_id=worker,
    )


def ring_of(*entries: LogEntry, kept: int = KEPT_ENTRIES) -> LogRing:
    ring = LogRing(kept=kept)
    for each in entries:
        ring.add(each)
    return ring


def messages(entries: tuple[LogEntry, ...]) -> list[str]:
    return [each.message for each in entries]


def test_lines_of_kernel_and_workers_are_merged_by_the_time_they_were_written() -> None:
    ring = ring_of(entry("c", at=3), entry("b", at=2, worker="w0"), entry("a", at=1, worker="w1"))

    assert messages(ring.find(number=10)) == ["a", "b", "c"]


def test_the_last_ones_are_found() -> None:
    ring = ring_of(entry("c", at=3), entry("b", at=2), entry("a", at=1))

    assert messages(ring.find(number=2)) == ["b", "c"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(None, "abcd"), ("sp-1", "ac"), ("w0", "ab"), ("kernel", "cd"), ("w", "")],
)
def test_lines_are_found_by_id_by_worker_or_all(wanted: str | None, found: str) -> None:
    ring = ring_of(
        entry("a", worker="w0", correlation_id="sp-1"),
        entry("b", worker="w0", correlation_id="sp-2"),
        entry("c", correlation_id="sp-1"),
        entry("d"),
    )

    assert messages(ring.find(wanted, number=10)) == [*found]


def test_lines_below_a_level_are_left_out_before_they_are_counted() -> None:
    ring = ring_of(entry("a", level=30), entry("b", level=20), entry("c", level=40), entry(level=0))

    assert messages(ring.find(level=30, number=2)) == ["a", "c"]


def test_the_oldest_lines_go_and_are_counted() -> None:
    ring = ring_of(*(entry(str(number)) for number in range(10)), kept=3)
    ring.note_dropped(5)

    assert messages(ring.find(number=10)) == ["7", "8", "9"]
    assert ring.dropped == 12


def test_what_can_be_asked_for_is_told_last_first() -> None:
    ring = ring_of(entry(correlation_id="sp-1"), entry(worker="w0"), entry(correlation_id="sp-2"))

    assert ring.workers() == ("kernel", "w0")
    assert ring.correlation_ids() == ("sp-2", "sp-1")


def test_of_endless_texts_a_messages_begin_is_kept_and_a_tracebacks_end() -> None:
    ring = LogRing()
    ring.add(
        LogEntry(
            at=1, level=40, logger="l", message="begin" + "x" * 10**6, traceback="y" * 10**6 + "end"
        )
    )

    (kept,) = ring.find(number=1)

    assert kept.message.startswith("beginx")
    assert kept.message.endswith("x… (of 1,000,005 characters)")
    assert kept.traceback.startswith("(of 1,000,003 characters) …y")
    assert kept.traceback.endswith("yend")
    assert len(kept.message + kept.traceback) < 2 * LONGEST_TEXT + 100


def test_many_threads_may_add_while_others_read() -> None:
    ring = LogRing(kept=50)
    begin = threading.Barrier(5)

    def write() -> None:
        begin.wait()
        for _ in range(500):
            ring.add(entry())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    while any(thread.is_alive() for thread in threads):
        assert len(ring.find(number=100)) <= 50

    assert (len(ring.find(number=100)), ring.dropped) == (50, 1950)


def test_what_is_collected_while_a_line_is_kept_may_log() -> None:
    ring = LogRing()

    class LogsAtItsEnd:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            ring.add(entry("collected"))

    LogsAtItsEnd()
    with ring._lock:  # as `add` holds it when the collector runs
        gc.collect()

    assert messages(ring.find(number=1)) == ["collected"]


@pytest.mark.parametrize(
    ("level", "number"), [("warning", 30), ("Info", 20), ("NOTSET", 0), (7, 7)]
)
def test_a_level_is_a_name_in_any_case_or_a_number(level: str | int, number: int) -> None:
    assert level_number(level) == number


def test_a_wrong_level_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="There is no level 'warnin': did you mean 'warning'"):
        level_number("warnin")
