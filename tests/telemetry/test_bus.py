"""Events reach their handlers on a thread of their own, whatever those do."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from snakepit_nb.telemetry import bus as process_bus
from snakepit_nb.telemetry.bus import Bus
from snakepit_nb.telemetry.events import (
    CATALOGUE,
    CallEnded,
    Event,
    PoolResized,
    PoolStarted,
    WorkerEvent,
)


def resized(workers: int = 1) -> PoolResized:
    return PoolResized(pool="p", workers=workers, before=0)


def told_by_worker(name: str) -> WorkerEvent:
    return WorkerEvent(pool="p", worker_id="w0", event=name, correlation_id="", values={}, texts={})


def test_an_event_tells_its_numbers_from_its_texts() -> None:
    event = resized(3)

    assert event.name == "pool.resized"
    assert event.measurements == {"workers": 3, "before": 0}
    assert event.metadata == {"pool": "p"}
    assert event.at > 1_700_000_000_000_000_000


def test_what_a_worker_tells_has_a_name_and_entries_of_its_own() -> None:
    event = WorkerEvent(
        pool="p",
        worker_id="w0",
        event="my.own",
        correlation_id="sp-1",
        values={"rows": 2},
        texts={"table": "t", "pool": "is not the worker's to say"},
    )

    assert event.name == "worker.my.own"
    assert event.measurements == {"rows": 2}
    assert event.metadata == {
        "table": "t",
        "pool": "p",
        "worker_id": "w0",
        "correlation_id": "sp-1",
    }


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("pool.resized", True),
        ("pool.*", True),
        ("*", True),
        ("pool.res[ij]zed", True),
        ("pool.call.*", False),
        ("pool", False),
        ("POOL.*", False),
    ],
)
def test_a_pattern_chooses_what_is_heard(pattern: str, *, fits: bool) -> None:
    bus, heard = Bus(), list[Event]()
    bus.on(pattern, heard.append)

    bus.emit(resized())

    assert bus.flush()
    assert heard == [resized()] * fits
    assert bus.wanted(PoolResized) is fits


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("worker.tool.*", True),
        ("*", True),
        ("w*", True),
        ("*.execution.*", True),
        ("pool.*", False),
        ("workers.*", False),
    ],
)
def test_workers_are_listened_to_where_a_pattern_may_fit_what_they_tell(
    pattern: str, *, wanted: bool
) -> None:
    bus = Bus()
    bus.on(pattern, lambda _: None)

    assert bus.wanted(WorkerEvent) is wanted


def test_what_workers_need_not_tell_is_known() -> None:
    bus = Bus()
    for pattern in ("worker.my.*", "pool.*", "worker.my.*", "worker.own"):
        bus.on(pattern, lambda _: None)
    narrow = bus.worker_patterns()
    bus.on("w*.own", lambda _: None)

    assert narrow == ("my.*", "own")
    assert "*" in bus.worker_patterns()


def test_what_is_not_catalogued_is_told_to_nobody() -> None:
    class Uncatalogued(Event):
        kind = "pool.uncatalogued"

    bus, heard = Bus(), list[Event]()
    bus.on("*", heard.append)

    bus.emit(Uncatalogued())

    assert bus.flush()
    assert heard == []


def test_a_pattern_for_one_event_of_workers_hears_no_other() -> None:
    bus, heard = Bus(), list[str]()
    bus.on("worker.tool.*", lambda event: heard.append(event.name))

    bus.emit(told_by_worker("python.memory.sampled"))
    bus.emit(told_by_worker("tool.execution.stop"))

    assert bus.flush()
    assert heard == ["worker.tool.execution.stop"]


def test_nobody_hears_what_is_told_after_the_end() -> None:
    bus, heard = Bus(), list[Event]()
    end = bus.on("*", heard.append)
    bus.emit(resized(1))
    bus.flush()

    end()
    end()
    bus.emit(resized(2))

    assert bus.flush()
    assert heard == [resized(1)]
    assert not bus.wanted(PoolResized)


def test_handlers_hear_events_in_order_and_on_one_thread_that_is_not_the_callers() -> None:
    bus, heard, threads = Bus(), list[Event](), set[int]()
    for _ in range(2):
        bus.on("*", lambda _: threads.add(threading.get_ident()))
    bus.on("*", heard.append)

    for number in range(100):
        bus.emit(resized(number))

    assert bus.flush()
    assert heard == [resized(number) for number in range(100)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_handler_that_raises_is_logged_and_the_others_hear_all(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    bus, heard = Bus(), list[Event]()

    def fail(_: Event) -> None:
        raise kind("as it should")

    bus.on("*", fail)
    bus.on("*", heard.append)
    bus.emit(resized(1))
    bus.emit(resized(2))

    assert bus.flush()
    assert heard == [resized(1), resized(2)]
    assert [record.getMessage() for record in caplog.records] == [
        "a handler of pool.resized failed"
    ] * 2
    assert caplog.records[0].exc_info is not None


def test_a_slow_handler_is_warned_about_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, heard = Bus(), list[Event]()
    bus.on("*", heard.append)
    monkeypatch.setattr(process_bus, "SLOW_SECONDS", -1.0)  # all are slow

    for number in range(3):
        bus.emit(resized(number))

    assert bus.flush()
    (record,) = caplog.records
    assert record.getMessage().startswith("a handler of pool.resized took ")
    assert len(heard) == 3


def test_100_000_events_against_a_handler_that_stands_still_block_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, heard = Bus(), list[Event]()
    with stuck(bus, heard.append) as let_go:
        before = len(gc.get_objects())
        for number in range(100_000):  # would never end, if one of them waited
            bus.emit(resized(number))
        kept = bus._queue.qsize()
        objects = len(gc.get_objects()) - before
        let_go()
        assert bus.flush()

    assert kept == 10_000
    assert objects < 30_000, "what is lost is not kept anywhere"
    assert heard == [resized(number) for number in range(10_000)]
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if not line.startswith("a handler of")] == [  # it may be slow
        "more than 10000 events wait for their handlers: what comes now is not told",
        "90000 events were not told: their handlers were too slow",
    ]


def test_after_an_overflow_events_are_told_again() -> None:
    bus, heard = Bus(queued=2), list[Event]()
    with stuck(bus, heard.append) as let_go:
        for number in range(9):
            bus.emit(resized(number))
        let_go()
        bus.flush()
        bus.emit(resized(9))
        assert bus.flush()

    assert heard == [resized(0), resized(1), resized(9)]


def test_a_handler_may_tell_events_and_subscribe_others() -> None:
    bus, heard = Bus(), list[Event]()

    def tell_more(event: Event) -> None:
        bus.on("pool.started", heard.append)
        bus.emit(PoolStarted(pool="p", workers=1, profile="process"))
        assert not bus.flush(), "it stands in the way itself"
        heard.append(event)

    end = bus.on("pool.resized", tell_more)
    bus.emit(resized())
    bus.flush()
    end()

    assert bus.flush()
    assert [event.name for event in heard] == ["pool.resized", "pool.started"]


def test_who_watches_is_called_when_others_are_wanted() -> None:
    bus, seen = Bus(), list[bool]()
    end = bus.watch(lambda: seen.append(bus.wanted(WorkerEvent)))

    unsubscribe = bus.on("worker.*", lambda _: None)
    unsubscribe()
    end()
    bus.on("worker.*", lambda _: None)

    assert seen == [True, False]


def test_a_forked_child_keeps_nothing_that_it_cannot_deliver() -> None:
    bus = Bus()
    bus.on("*", lambda _: None)

    bus.forget_all()

    assert not bus.wanted(CallEnded)
    assert bus.flush(0)


def test_the_catalogue_has_each_event_by_its_dotted_name() -> None:
    assert all(kind.kind == name for name, kind in CATALOGUE.items())
    assert all(name.split(".")[0] in ("pool", "worker") for name in CATALOGUE)
    assert all(kind.__doc__ for kind in CATALOGUE.values())


@contextmanager
def stuck(bus: Bus, handler: Callable[[Event], object]) -> Iterator[Callable[[], None]]:
    """Holds up the bus's thread with an event of its own until it is let go."""
    holds, gate = threading.Event(), threading.Event()

    def hold(_: Event) -> None:
        holds.set()
        gate.wait(10)

    end = bus.on("pool.started", hold)
    bus.emit(PoolStarted(pool="p", workers=1, profile="process"))
    assert holds.wait(5)
    end()
    bus.on("pool.resized", handler)
    try:
        yield gate.set
    finally:
        gate.set()
