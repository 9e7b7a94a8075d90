"""What a worker tells of itself, to and from the messages of `snakepit.cells.v1`."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from snakepit_nb.observations import LogEntry, Observation, SpanEvent, SpanRecord, WorkerTrace

from .generated import snakepit_cells_pb2 as cells

TRACE_ID_BYTES = 16
Seen = TypeVar("Seen")
Written = TypeVar("Written")

LOWEST_LEVEL, HIGHEST_LEVEL = -(2**31), 2**31 - 1  # that the message has room for


def write_observation(observation: Observation) -> cells.Observation:
    """Writes an observation."""
    calls = _written(_write_times, observation.traces)
    spans = _written(_write_span, observation.spans)
    logs = _written(_write_entry, observation.logs)
    seen = len(observation.traces) + len(observation.spans) + len(observation.logs)
    unwritten = seen - len(calls) - len(spans) - len(logs)
    return cells.Observation(
        load=observation.load,
        calls=calls,
        spans=spans,
        logs=logs,
        dropped=observation.dropped + unwritten,
    )


def read_observation(message: cells.Observation) -> Observation:
    """Reads an observation; which worker it is from, the reader knows."""
    return Observation(
        load=message.load,
        traces=tuple(_read_times(times) for times in message.calls),
        spans=tuple(_read_span(span) for span in message.spans),
        logs=tuple(_read_entry(line) for line in message.logs),
        dropped=message.dropped,
    )


def _written(write: Callable[[Seen], Written], seen: Iterable[Seen]) -> list[Written]:
    """Writes what can be written: one span with a time that is none shall not end the rest."""
    written: list[Written] = []
    for each in seen:
        with suppress(TypeError, ValueError, OverflowError):
            written.append(write(each))
    return written


def _write_times(trace: WorkerTrace) -> cells.CallTimes:
    return cells.CallTimes(
        trace_id=_trace_bytes(trace.trace_id),
        answers=trace.answers,
        span_id=trace.span_id,
        code_id=trace.code_id,
        correlation_id=trace.correlation_id,
        what=valid_text(trace.what),
        begun=trace.begun,
        code_begun=trace.code_begun,
        code_ended=trace.code_ended,
        ended=trace.ended,
        error=valid_text(trace.error),
        code_error=valid_text(trace.code_error),
    )


def _read_times(times: cells.CallTimes) -> WorkerTrace:
    return WorkerTrace(
        trace_id=int.from_bytes(times.trace_id),
        answers=times.answers,
        span_id=times.span_id,
        code_id=times.code_id,
        correlation_id=times.correlation_id,
        what=times.what,
        begun=times.begun,
        code_begun=times.code_begun,
        code_ended=times.code_ended,
        ended=times.ended,
        error=times.error,
        code_error=times.code_error,
    )


def _write_span(span: SpanRecord) -> cells.Span:
    return cells.Span(
        trace_id=_trace_bytes(span.trace_id),
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=valid_text(span.name),
        kind=span.kind,
        begun=span.begun,
        ended=span.ended,
        attributes=json.dumps(dict(span.attributes)).encode(),
        events=json.dumps(
            [(event.name, event.at, dict(event.attributes)) for event in span.events]
        ).encode()
        if span.events
        else b"",
        links=[
            cells.SpanLink(trace_id=_trace_bytes(trace_id), span_id=span_id)
            for trace_id, span_id in span.links
        ],
        is_error=span.is_error,
        error=valid_text(span.error),
    )


def _read_span(span: cells.Span) -> SpanRecord:
    return SpanRecord(
        trace_id=int.from_bytes(span.trace_id),
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=valid_text(span.name),
        kind=span.kind,
        begun=span.begun,
        ended=span.ended,
        attributes=json.loads(span.attributes),
        events=tuple(
            SpanEvent(name=name, at=at, attributes=attributes)
            for name, at, attributes in json.loads(span.events or b"[]")
        ),
        links=tuple((int.from_bytes(link.trace_id), link.span_id) for link in span.links),
        is_error=span.is_error,
        error=span.error,
    )


def _write_entry(entry: LogEntry) -> cells.LogLine:
    return cells.LogLine(
        at=entry.at,
        level=min(max(entry.level, LOWEST_LEVEL), HIGHEST_LEVEL),
        logger=valid_text(entry.logger),
        message=valid_text(entry.message),
        correlation_id=entry.correlation_id,
        session_id=valid_text(entry.session_id),
        traceback=valid_text(entry.traceback),
    )


def _read_entry(line: cells.LogLine) -> LogEntry:
    return LogEntry(
        at=line.at,
        level=line.level,
        logger=line.logger,
        message=line.message,
        correlation_id=line.correlation_id,
        session_id=line.session_id,
        traceback=line.traceback,
    )


def _trace_bytes(trace_id: int) -> bytes:
    return trace_id.to_bytes(TRACE_ID_BYTES)


def valid_text(text: str) -> str:
    """Replaces lone surrogates, which users may have in any text and protobuf does not carry."""
    return text.encode("utf-8", "replace").decode()
