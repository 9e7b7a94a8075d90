"""The spans that are made of what kernel and worker keep of a call."""

from dataclasses import replace

from snakepit_nb.calls import Origin
from snakepit_nb.observations import (
    CORRELATION_ATTRIBUTE,
    LOST_ATTRIBUTE,
    Part,
    SpanRecord,
    WorkerTrace,
)
from snakepit_nb.telemetry.call_trace import CallTrace

ORIGIN = Origin(at=10, trace_id=0xABC, parent_id=1, span_id=2, rpc_id=3)
CALL = CallTrace(
    origin=ORIGIN,
    correlation_id="sp-mine",
    what="call embed",
    pool="default",
    call_id="c1",
    session_id="s1",
    worker="w0",
    entered=11,
    granted=15,
    sent=16,
    answered=90,
    ended=95,
    chunks=7,
)
WORKER = WorkerTrace(
    trace_id=0xABC,
    answers=3,
    span_id=4,
    code_id=5,
    correlation_id="sp-mine",
    what="tool embed",
    begun=20,
    code_begun=30,
    code_ended=70,
    ended=80,
    worker="w0",
)


def by_part(trace: CallTrace | WorkerTrace) -> dict[Part | None, SpanRecord]:
    return {record.part: record for record in trace.records()}


def test_a_call_is_itself_its_wait_and_its_way() -> None:
    spans = by_part(CALL)

    assert {part: (span.begun, span.ended) for part, span in spans.items()} == {
        Part.CALL: (10, 95),
        Part.QUEUE: (11, 15),
        Part.RPC: (16, 90),
    }
    assert spans[Part.CALL].parent_id == 1
    assert spans[Part.QUEUE].parent_id == spans[Part.RPC].parent_id == 2
    assert spans[Part.RPC].span_id == CALL.awaits == 3
    assert len({span.span_id for span in spans.values()}) == 3
    assert spans[Part.CALL].attributes[CORRELATION_ATTRIBUTE] == "sp-mine"
    assert spans[Part.CALL].attributes["snakepit.session_id"] == "s1"
    assert spans[Part.RPC].attributes["snakepit.chunks"] == 7
    assert not any(span.is_error for span in spans.values())


def test_a_call_that_never_got_a_worker_failed_while_it_waited() -> None:
    refused = replace(CALL, granted=0, sent=0, answered=0, error="QueueTimeoutError: 10 s")

    spans = by_part(refused)

    assert set(spans) == {Part.CALL, Part.QUEUE}
    assert spans[Part.QUEUE].error == "QueueTimeoutError: 10 s"
    assert spans[Part.QUEUE].ended == spans[Part.CALL].ended
    assert refused.awaits == 0


def test_of_a_lost_worker_nothing_more_is_awaited() -> None:
    lost = replace(CALL, is_lost=True, error="WorkerCrashedError: gone", rpc_error="gone")

    assert by_part(lost)[Part.RPC].attributes[LOST_ATTRIBUTE] is True
    assert by_part(lost)[Part.RPC].is_error
    assert lost.awaits == 0


def test_a_workers_part_lies_within_the_way_there() -> None:
    spans = by_part(WORKER)

    assert spans[Part.WORKER].parent_id == WORKER.answers == CALL.awaits
    assert spans[Part.TOOL].parent_id == spans[Part.WORKER].span_id
    assert (spans[Part.TOOL].begun, spans[Part.TOOL].ended) == (30, 70)
    assert {span.worker_id for span in spans.values()} == {"w0"}


def test_a_call_whose_code_never_began_has_no_span_of_it() -> None:
    never = replace(WORKER, code_begun=0, code_ended=0, error="UsageError: no tool")

    assert set(by_part(never)) == {Part.WORKER}
    assert by_part(never)[Part.WORKER].error == "UsageError: no tool"


def test_code_that_was_cut_off_ends_with_its_worker() -> None:
    assert by_part(replace(WORKER, code_ended=0))[Part.TOOL].ended == WORKER.ended
