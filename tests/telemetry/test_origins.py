"""The ids that a call gets where it is made, and the headers that carry them."""

from collections.abc import Iterator

import pytest
from opentelemetry import baggage, propagate
from opentelemetry import context as contexts
from opentelemetry.sdk.trace import TracerProvider

from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.telemetry import origins
from snakepit_nb.telemetry.cell_traces import CellTraces
from snakepit_nb.telemetry.correlation import requests
from snakepit_nb.telemetry.ids import (
    LONGEST_ERROR,
    error_words,
    read_traceparent,
    trace_id_of,
    write_traceparent,
)
from snakepit_nb.telemetry.origins import baggage_item, origin_here

MINE = CorrelationId("sp-mine")


@pytest.fixture
def _carried() -> Iterator[None]:
    token = contexts.attach(baggage.set_baggage("correlation_id", "carried"))
    yield
    contexts.detach(token)


def test_a_call_by_itself_is_a_root_of_the_trace_of_its_id() -> None:
    first, second = origin_here(MINE), origin_here(MINE)

    assert first.trace_id == second.trace_id == trace_id_of("sp-mine")
    assert first.parent_id == 0
    assert len({first.span_id, first.rpc_id, second.span_id, second.rpc_id}) == 4
    assert dict(first.headers) == {"traceparent": write_traceparent(first.trace_id, first.rpc_id)}
    assert baggage_item("correlation_id") is None


def test_a_call_within_a_cell_lies_within_that(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = CellTraces()
    monkeypatch.setattr(origins, "cell_traces", cells)
    monkeypatch.setattr(requests, "request_key", lambda: "first")
    cells.begin("cell [1]")

    origin = origin_here(MINE)

    around = cells.around(MINE)
    assert around is not None
    assert (origin.trace_id, origin.parent_id) == (around.trace_id, around.span_id)


def test_a_call_within_a_users_span_lies_within_that() -> None:
    tracer = TracerProvider().get_tracer("a user's")
    with tracer.start_as_current_span("around") as around:
        origin = origin_here(MINE)

    users = around.get_span_context()
    assert (origin.trace_id, origin.parent_id) == (users.trace_id, users.span_id)


@pytest.mark.usefixtures("_carried")
def test_baggage_names_the_call_and_travels_along() -> None:
    assert baggage_item("correlation_id") == "carried"
    assert dict(origin_here(MINE).headers)["baggage"] == "correlation_id=carried"


def test_what_grpc_does_not_take_as_a_header_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = {
        "X-Amzn-Trace-Id": "Root=1",
        "b3": "1-2",
        "x-lines": "a\nb",
        "x-umlaut": "ü",
        "x-large": "x" * 5000,
        "grpc-timeout": "1S",
        "x-some-bin": "bytes",
    }
    monkeypatch.setattr(propagate, "inject", lambda into, _: into.update(carried))
    token = contexts.attach(baggage.set_baggage("any", "thing"))
    try:
        headers = dict(origin_here(MINE).headers)
    finally:
        contexts.detach(token)

    assert set(headers) == {"traceparent", "x-amzn-trace-id", "b3"}


def test_headers_are_read_as_they_were_written() -> None:
    assert read_traceparent(write_traceparent(0xABC, 0xD)) == (0xABC, 0xD)
    assert write_traceparent(0xABC, 0xD) == f"00-{0xABC:032x}-{0xD:016x}-01"
    for nonsense in ("", "nonsense", "00-xyz-1-01"):
        assert read_traceparent(nonsense) is None


def test_an_error_is_told_in_one_short_line() -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_words(None) == ""
    assert error_words(ValueError("first\nsecond")) == "ValueError: first"
    assert error_words(KeyError()) == "KeyError"
    assert error_words(UnprintableError()) == "UnprintableError"
    assert len(error_words(ValueError("x" * 1000))) == LONGEST_ERROR
