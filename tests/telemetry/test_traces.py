import threading
import time
from collections.abc import Iterable

import pytest

from snakepit_nb.observations import SpanRecord
from snakepit_nb.telemetry.traces import KEPT_PARTS, KEPT_TRACES, Traces, UsersSpan

CALL, RPC, WORKER = 1, 2, 3


def part(  # noqa: PLR0913 (what is kept of a trace)
    span_id: int,
    parent_id: int = 0,
    *,
    trace_id: int = 1,
    begun: int = 0,
    correlation_id: str = "",
    awaits: int = 0,
    answers: int = 0,
    is_frame: bool = False,
) -> UsersSpan:
    record = SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=f"span {span_id}",
        begun=begun,
        ended=begun + 1,
    )
    return UsersSpan(
        record,
        correlation_id=correlation_id,
        is_root=not parent_id,
        is_frame=is_frame,
        awaits=awaits,
        answers=answers,
    )


def traces_of(parts: Iterable[UsersSpan]) -> Traces:
    traces = Traces()
    for each in parts:
        traces.add(each)
    return traces


def test_the_last_200_traces_are_kept() -> None:
    traces = traces_of(
        part(1, trace_id=number, begun=number, correlation_id=f"sp-{number}")
        for number in range(1, KEPT_TRACES + 3)
    )

    assert KEPT_TRACES == 200
    assert len(traces.correlation_ids()) == 200
    assert traces.correlation_ids()[0] == "sp-202"
    assert traces.find("sp-2") is None
    assert traces.find("sp-3") is not None


def test_of_a_trace_1000_parts_are_kept_and_its_cell_which_comes_last() -> None:
    traces = traces_of(part(number, 1, begun=number) for number in range(2, KEPT_PARTS + 5))
    traces.add(part(1, is_frame=True))
    traces.add(part(2))  # a call that nothing is around is one of many

    found = traces.find()

    assert KEPT_PARTS == 1000
    assert found is not None
    assert (len(found.spans), found.dropped) == (1001, 4)
    assert found.spans[0].name == "span 1"


def test_traces_with_many_parts_make_room_for_the_last_ones() -> None:
    traces = Traces(kept_in_all=100)
    for trace_id in range(1, 6):
        for number in range(30):
            traces.add(part(number + 2, 1, trace_id=trace_id))

    kept = [trace_id for trace_id in range(1, 6) if traces.find(f"{trace_id:032x}")]
    assert kept == [3, 4, 5]
    for number in range(200):
        traces.add(part(number + 2, 1, trace_id=9))
    assert [traces.find(f"{trace_id:032x}") for trace_id in range(1, 6)] == [None] * 5
    found = traces.find(f"{9:032x}")
    assert found is not None
    assert len(found.spans) == 200


def test_a_trace_is_found_by_each_of_its_ids_or_as_the_one_that_began_last() -> None:
    traces = traces_of(
        [
            part(1, trace_id=0xA, begun=10, correlation_id="sp-a"),
            part(2, trace_id=0xB, begun=20, correlation_id="sp-b"),
            part(3, 1, trace_id=0xA, begun=30, correlation_id="sp-within-a"),
        ]
    )

    found = {
        wanted: traces.find(wanted) for wanted in ("sp-a", "sp-within-a", "last", f"{0xA:032x}")
    }

    assert {wanted: each and each.trace_id for wanted, each in found.items()} == {
        "sp-a": 0xA,
        "sp-within-a": 0xA,
        "last": 0xB,
        f"{0xA:032x}": 0xA,
    }
    assert traces.find("sp-c") is None
    assert Traces().find() is None


def test_a_traces_spans_are_in_the_order_in_which_they_began() -> None:
    traces = traces_of(
        [part(3, 1, begun=7), part(2, 1, begun=5), part(1, begun=5, correlation_id="sp-1")]
    )

    found = traces.find()

    assert found is not None
    assert [each.begun for each in found.spans] == [5, 5, 7]
    assert found.correlation_id == "sp-1"


def test_whoever_asks_waits_for_what_the_worker_has_not_told_yet() -> None:
    traces = traces_of([part(RPC, CALL, awaits=RPC), part(CALL)])
    telling = threading.Timer(0.05, lambda: traces.add(part(WORKER, RPC, answers=RPC)))
    telling.start()

    found = traces.find_whole(timeout=5)

    telling.join()
    assert found is not None
    assert len(found.spans) == 3


@pytest.mark.parametrize(
    "parts",
    [
        [part(RPC, CALL), part(CALL)],
        [part(WORKER, RPC, answers=RPC), part(RPC, CALL, awaits=RPC), part(CALL)],
        [part(CALL)],
        [],
    ],
    ids=["of a lost worker", "whole", "never begun", "none"],
)
def test_what_is_as_whole_as_it_will_be_is_not_waited_for(parts: list[UsersSpan]) -> None:
    traces = traces_of(parts)
    begun = time.monotonic()

    found = traces.find_whole(timeout=5)

    assert time.monotonic() - begun < 1
    assert len(found.spans if found else ()) == len(parts)


def test_what_does_not_come_is_waited_for_no_longer_than_said() -> None:
    traces = traces_of([part(RPC, CALL, awaits=RPC), part(CALL)])

    found = traces.find_whole(timeout=0.01)

    assert found is not None
    assert len(found.spans) == 2


def test_spans_may_come_from_many_threads_while_others_look() -> None:
    traces = Traces(kept_traces=4)
    begin = threading.Barrier(5)

    def add(trace_id: int) -> None:
        begin.wait()
        for number in range(500):
            traces.add(part(number + 2, 1, trace_id=trace_id))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    while any(thread.is_alive() for thread in threads):
        traces.find()
        traces.correlation_ids()

    kept = [traces.find(f"{trace_id:032x}") for trace_id in range(4)]
    assert [each and len(each.spans) for each in kept] == [500] * 4
