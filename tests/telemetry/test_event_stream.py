"""What a worker tells is kept in a bounded ring, chosen by a control, and never waits."""

import random
import threading
from collections.abc import Callable
from itertools import count

import anyio
import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CallId, CorrelationId
from snakepit_nb.mailbox import waking_here
from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.telemetry.correlation import correlation
from snakepit_nb.telemetry.event_stream import EventStream
from snakepit_nb.worker.context import CallContext, serving
from snakepit_nb.worker.emitting import emit_event, executing, telling_to


def names(events: list[ToldEvent]) -> list[str]:
    return [event.name for event in events]


async def test_what_was_told_before_anybody_read_is_kept_and_read_first() -> None:
    stream = EventStream()
    stream.emit("before", {"n": 1}, {})

    with stream.attached(waking_here()) as reader:
        first = await reader.take()
        stream.emit("after", {}, {"text": "t"})
        second = await reader.take()

    assert names(first) + names(second) == ["before", "after"]
    assert (first[0].measurements, second[0].metadata) == ({"n": 1}, {"text": "t"})


async def test_a_reader_that_waits_is_woken_from_any_thread() -> None:
    stream = EventStream()
    with stream.attached(waking_here()) as reader, anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            read: list[ToldEvent] = []

            async def wait() -> None:
                read.extend(await reader.take())

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(stream.emit, "from_a_thread", {}, {})

    assert names(read) == ["from_a_thread"]


def test_of_too_many_the_oldest_are_dropped_and_counted() -> None:
    stream = EventStream(kept=3)
    for number in range(10):
        stream.emit(f"e{number}", {}, {})

    first = stream.take_now()
    for number in range(3):
        stream.emit(f"f{number}", {}, {})
    second = stream.take_now()

    assert names(first) == ["telemetry.dropped", "e7", "e8", "e9"]
    assert first[0].measurements == {"count": 7}
    assert names(second) == ["f0", "f1", "f2"]
    assert stream.take_now() == []


def test_many_threads_tell_at_once_and_none_waits_for_a_reader() -> None:
    stream = EventStream()

    def tell() -> None:
        for number in range(10_000):
            stream.emit("x", {"n": number}, {})

    threads = [threading.Thread(target=tell) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = stream.take_now()

    assert len(events) == 1 + 1024
    assert events[0].measurements == {"count": 100_000 - 1024}


@pytest.mark.parametrize(
    ("control", "told"),
    [
        (EventControl(), "a.x a.y b.x"),
        (EventControl(enabled=False), ""),
        (EventControl(allow=("a.*",)), "a.x a.y"),
        (EventControl(allow=("a.x", "b.*")), "a.x b.x"),
        (EventControl(deny=("*.x",)), "a.y"),
        (EventControl(allow=("a.*",), deny=("a.y",)), "a.x"),
        (EventControl(sampling=0.0), ""),
        (EventControl(sampling=0.0, sampled=("a.*",)), "b.x"),
        (EventControl(sampling=0.0, sampled=("b.*", "a.y")), "a.x"),
    ],
    ids=repr,
)
def test_a_control_chooses_what_is_told_from_then_on(control: EventControl, told: str) -> None:
    stream = EventStream()
    stream.emit("before", {}, {})

    stream.apply(control)
    for name in ("a.x", "a.y", "b.x"):
        stream.emit(name, {}, {})

    assert names(stream.take_now()) == ["before", *told.split()]


async def test_a_control_chooses_also_of_what_was_kept_for_who_has_not_begun_to_read() -> None:
    stream = EventStream()
    for name in ("a.x", "b.x", "a.y"):
        stream.emit(name, {}, {})

    with stream.attached(waking_here()) as reader:
        stream.apply(EventControl(allow=("a.*",)))
        kept = await reader.take()
        stream.emit("a.z", {}, {})
        stream.apply(EventControl(allow=("b.*",)))
        later = await reader.take()

    assert (names(kept), names(later)) == (["a.x", "a.y"], ["a.z"])


async def test_what_was_kept_is_not_sampled_again() -> None:
    stream = EventStream(chance=lambda: 1.0)
    stream.emit("kept", {}, {})

    with stream.attached(waking_here()) as reader:
        stream.apply(EventControl(sampling=0.5))
        stream.emit("not_told", {}, {})

        assert names(await reader.take()) == ["kept"]


def test_a_control_can_be_taken_back() -> None:
    stream = EventStream()
    stream.apply(EventControl(enabled=False))
    stream.emit("off", {}, {})
    stream.apply(EventControl())
    stream.emit("on", {}, {})

    assert names(stream.take_now()) == ["on"]


def test_sampling_tells_its_share() -> None:
    stream = EventStream(kept=10_000, chance=random.Random(7).random)  # noqa: S311
    stream.apply(EventControl(sampling=0.25, sampled=("often",)))
    for _ in range(10_000):
        stream.emit("often", {}, {})
    stream.emit("rare", {}, {})

    told = names(stream.take_now())

    assert 2_300 < told.count("often") < 2_700
    assert told[-1] == "rare"


async def test_another_reader_ends_the_one_before() -> None:
    stream = EventStream()
    with (
        anyio.fail_after(5),
        stream.attached(waking_here()) as first,
        stream.attached(waking_here()) as second,
    ):
        assert await first.take() == []
        stream.emit("x", {}, {})
        assert names(await second.take()) == ["x"]
        stream.emit("last", {}, {})
        stream.close()
        assert names(await second.take()) == ["last"]
        assert await second.take() == []


def test_an_execution_tells_its_begin_its_end_and_whose_it_is() -> None:
    stream = EventStream()
    with correlation("sp-mine"), executing(stream, "add", "s"):
        pass
    with pytest.raises(ValueError, match="secret"), executing(stream, "fail", None):
        raise ValueError("secret")

    start, stop, _, failed = stream.take_now()
    assert (start.name, start.correlation_id) == ("tool.execution.start", "sp-mine")
    assert (stop.name, list(stop.measurements)) == ("tool.execution.stop", ["duration"])
    assert stop.metadata == {"tool": "add", "session_id": "s"}
    assert failed.name == "tool.execution.exception"
    assert failed.metadata == {"tool": "fail", "session_id": "", "error_type": "ValueError"}


def test_user_code_tells_events_of_its_own() -> None:
    stream = EventStream()
    context = CallContext(call_id=CallId("c"), correlation_id=CorrelationId("sp-call"))
    measured = {"loss": 0.5, "step": 3}
    with telling_to(stream), serving(context):
        emit_event("model.epoch.ended", measured, {"phase": "train"})
        measured["loss"] = 9

    (event,) = stream.take_now()
    assert (event.name, event.correlation_id) == ("model.epoch.ended", "sp-call")
    assert (event.measurements, event.metadata) == ({"loss": 0.5, "step": 3}, {"phase": "train"})


@pytest.mark.parametrize(
    ("tell", "complaint"),
    [
        (lambda: emit_event("No Good"), "a name is small letters"),
        (lambda: emit_event(""), "a name is small letters"),
        (lambda: emit_event("a..b"), "a name is small letters"),
        (lambda: emit_event("x" * 129), "a name is small letters"),
        (lambda: emit_event("a", {"n": "1"}), "measurement 'n': give a number"),  # type: ignore[dict-item]
        (lambda: emit_event("a", {"n": True}), "measurement 'n': give a number"),
        (lambda: emit_event("a", {"n": 2**2000}), "measurement 'n': give a number"),
        (lambda: emit_event("a", None, {"t": 1}), "metadata 't': give a text"),  # type: ignore[dict-item]
    ],
    ids=count(),
)
def test_what_is_no_event_is_refused(tell: Callable[[], None], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        tell()
