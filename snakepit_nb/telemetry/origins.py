"""Where calls come from: the cell, or the user's own span, around them."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import baggage, propagate, trace
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from snakepit_nb.calls import Origin
from snakepit_nb.identifiers import CorrelationId

from .cell_traces import cell_traces
from .ids import TRACE_HEADER, new_span_id, read_traceparent, trace_id_of, write_traceparent
from .providers import providers

LONGEST_VALUE = 4096
"""Of a header: all of them together may have 8 KB."""

_KEY = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")


def origin_here(correlation_id: CorrelationId) -> Origin:
    """Gives a call that is made here its spans' ids, and the headers that carry them along."""
    here = contexts.get_current()
    trace_id, parent_id = _around(here, correlation_id)
    rpc_id = new_span_id()
    headers: tuple[tuple[str, str], ...] = ((TRACE_HEADER, write_traceparent(trace_id, rpc_id)),)
    if here:
        providers.look(trace_id)
        headers += _more_headers(here)
    return Origin(
        at=time.time_ns(),
        trace_id=trace_id,
        parent_id=parent_id,
        span_id=new_span_id(),
        rpc_id=rpc_id,
        headers=headers,
    )


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Makes the spans of what is called within the `with` children of one that a header names."""
    ids = read_traceparent(traceparent)
    if ids is None:
        yield
        return
    span = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(span)))
    try:
        yield
    finally:
        contexts.detach(token)


def baggage_item(name: str) -> object:
    """Returns what the caller's OpenTelemetry baggage holds under a name, if anything."""
    here = contexts.get_current()
    return baggage.get_baggage(name, here) if here else None


def _around(here: Context, correlation_id: CorrelationId) -> tuple[int, int]:
    users = trace.get_current_span(here).get_span_context() if here else trace.INVALID_SPAN_CONTEXT
    if users.is_valid:
        return users.trace_id, users.span_id
    cell = cell_traces.around(correlation_id)
    if cell is not None:
        return cell.trace_id, cell.span_id
    return trace_id_of(correlation_id), 0


def _more_headers(here: Context) -> tuple[tuple[str, str], ...]:
    """Writes what else OpenTelemetry's propagators would send: `tracestate`, `baggage`."""
    carried: dict[str, str] = {}
    propagate.inject(carried, here)
    lowered = ((key.lower(), value) for key, value in carried.items())
    return tuple(item for item in lowered if item[0] != TRACE_HEADER and _may_travel(*item))


def _may_travel(key: str, value: str) -> bool:
    """Tells whether gRPC takes it: what it does not take would leave the call without an end."""
    is_text = value.isascii() and value.isprintable()
    return bool(_KEY.fullmatch(key)) and is_text and len(value) <= LONGEST_VALUE
