"""Who exports has a thread of its own, and none of its faults is a call's."""

import logging
import threading
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from snakepit_nb.observations import WorkerTrace
from snakepit_nb.telemetry.exporting import Exporting, names_collector

TRACE = WorkerTrace(
    trace_id=1,
    answers=2,
    span_id=3,
    code_id=4,
    correlation_id="sp-mine",
    what="tool embed",
    begun=1,
    ended=9,
)


class Processor:
    """Stands for one of the SDK's."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.is_open = threading.Event()
        self.is_open.set()
        self.is_broken = False

    def on_end(self, span: ReadableSpan) -> None:
        self.is_open.wait(10)
        if self.is_broken:
            raise OSError("no collector")
        self.ended.append(span.name)


@pytest.fixture
def processor() -> Processor:
    return Processor()


@pytest.fixture
def exporting(processor: Processor) -> Exporting:
    made = Exporting()
    made._own = processor
    return made


def test_spans_are_sent_in_order(exporting: Exporting, processor: Processor) -> None:
    for number in range(3):
        exporting.send(replace(TRACE, what=f"tool {number}", code_begun=2))
    exporting.flush()

    assert processor.ended == [name for number in range(3) for name in ("worker", f"tool {number}")]


def test_who_sends_does_not_wait_for_a_slow_processor(
    exporting: Exporting, processor: Processor
) -> None:
    processor.is_open.clear()

    for _ in range(100):
        exporting.send(TRACE)

    assert processor.ended == []
    processor.is_open.set()
    exporting.flush()
    assert len(processor.ended) == 100


def test_a_processor_that_raises_is_told_of_once_and_tried_again(
    exporting: Exporting, processor: Processor, caplog: pytest.LogCaptureFixture
) -> None:
    processor.is_broken = True
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            exporting.send(TRACE)
        exporting.flush()
    processor.is_broken = False
    exporting.send(TRACE)
    exporting.flush()

    assert [record.getMessage() for record in caplog.records] == [
        "spans cannot be sent; later failures are not told"
    ]
    assert processor.ended == ["worker"]


def test_without_anybody_to_export_to_there_is_no_thread() -> None:
    exporting = Exporting()
    exporting.send(TRACE)

    assert exporting._thread is None


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"},
    ],
)
def test_the_standard_variables_name_a_collector(environment: dict[str, str]) -> None:
    assert names_collector(environment)
    assert not names_collector({**environment, "OTEL_TRACES_EXPORTER": "none"})
    assert not names_collector({**environment, "OTEL_SDK_DISABLED": "true"})
    assert not names_collector({})
