from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from snakepit_nb.observations import LogEntry, Observation, SpanEvent, SpanRecord
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.observation_messages import read_observation, write_observation

texts = st.text(st.characters(codec="utf-8"), max_size=20)
moments = st.integers(0, 2**63)
span_ids = st.integers(1, 2**64 - 1)
trace_ids = st.integers(1, 2**128 - 1)
attributes = st.dictionaries(
    texts,
    texts | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=True),
    max_size=4,
)
events = st.builds(SpanEvent, name=texts, at=moments, attributes=attributes)
spans = st.builds(
    SpanRecord,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_id=st.just(0) | span_ids,
    name=texts,
    kind=st.sampled_from(["internal", "client", "server"]),
    begun=moments,
    ended=moments,
    attributes=attributes,
    events=st.lists(events, max_size=3).map(tuple),
    links=st.lists(st.tuples(trace_ids, span_ids), max_size=3).map(tuple),
    is_error=st.booleans(),
    error=texts,
    worker_id=st.just(""),
)
entries = st.builds(
    LogEntry,
    at=moments,
    level=st.integers(0, 60),
    logger=texts,
    message=texts,
    correlation_id=texts,
    worker_id=st.just(""),
    session_id=texts,
    traceback=texts,
)
observations = st.builds(
    Observation,
    load=st.integers(0, 1000),
    spans=st.lists(spans, max_size=3).map(tuple),
    logs=st.lists(entries, max_size=3).map(tuple),
    dropped=st.integers(0, 2**31 - 1),
)


def after_the_wire(observation: Observation) -> Observation:
    data = write_observation(observation).SerializeToString()
    return read_observation(cells.Observation.FromString(data))


@given(observations)
def test_an_observation_comes_out_as_it_went_in(observation: Observation) -> None:
    assert after_the_wire(observation) == observation


def test_lone_surrogates_of_users_do_not_hold_up_what_is_seen() -> None:
    bad = "a\udc80b"
    span = SpanRecord(
        trace_id=1,
        span_id=2,
        name=bad,
        begun=1,
        ended=2,
        attributes={"key": bad},
        events=(SpanEvent(name=bad, at=1, attributes={"exception.message": bad}),),
        is_error=True,
        error=bad,
    )
    line = LogEntry(at=1, level=30, logger=bad, message=bad, session_id=bad, traceback=bad)

    came = after_the_wire(Observation(load=1, spans=(span,), logs=(line,)))

    assert (came.spans[0].name, came.spans[0].error) == ("a?b", "a?b")
    assert (came.logs[0].logger, came.logs[0].message, came.logs[0].traceback) == ("a?b",) * 3
    assert came.logs[0].session_id == "a?b"


def test_a_level_of_any_size_does_not_hold_up_what_is_seen() -> None:
    line = LogEntry(at=1, level=2**40, logger="l", message="m")

    came = after_the_wire(Observation(load=1, logs=(line,)))

    assert came.logs[0].level == 2**31 - 1


def test_what_cannot_be_written_is_counted_and_the_rest_is_written() -> None:
    spans = [
        SpanRecord(trace_id=1, span_id=number, name="n", begun=1, ended=cast("int", ended))
        for number, ended in ((1, 2), (2, 1.5), (3, 2))
    ]

    message = write_observation(Observation(load=0, spans=tuple(spans), dropped=4))

    read = read_observation(message)
    assert [span.span_id for span in read.spans] == [1, 3]
    assert read.dropped == 5
