"""The spans of OpenTelemetry's SDK, to and from our records. Only who exports needs this."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from snakepit_nb.observations import SpanEvent, SpanRecord

from .spans import SCOPE, plain_attributes

REMEMBERED_TRACES = 1000

_scope = InstrumentationScope(SCOPE)
_sampled = TraceFlags(TraceFlags.SAMPLED)


def keep_spans_of(provider: trace.TracerProvider, sink: Callable[[SpanRecord], object]) -> None:
    """Lets the sink have what ends in traces that have a span of ours, whoever made it."""
    if isinstance(provider, TracerProvider):
        provider.add_span_processor(_Keeper(sink))


class _Keeper(SpanProcessor):
    def __init__(self, sink: Callable[[SpanRecord], object]) -> None:
        self._sink = sink
        self._traces: OrderedDict[int, None] = OrderedDict()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 (OpenTelemetry's)
        """Notes that a trace has a span of ours."""
        scope, context = span.instrumentation_scope, span.context
        if context is not None and scope is not None and scope.name == SCOPE:
            self._traces[context.trace_id] = None
            if len(self._traces) > REMEMBERED_TRACES:
                self._traces.popitem(last=False)

    def on_end(self, span: ReadableSpan) -> None:
        """Hands on what has ended."""
        if span.context is not None and span.context.trace_id in self._traces:
            self._sink(record_of(span))


def record_of(span: ReadableSpan) -> SpanRecord:
    """Reads a span of the SDK that has ended."""
    context = span.context or trace.INVALID_SPAN_CONTEXT
    return SpanRecord(
        trace_id=context.trace_id,
        span_id=context.span_id,
        parent_id=0 if span.parent is None else span.parent.span_id,
        name=span.name,
        kind=span.kind.name.lower(),
        begun=span.start_time or 0,
        ended=span.end_time or 0,
        attributes=plain_attributes(span.attributes),
        events=tuple(
            SpanEvent(
                name=event.name, at=event.timestamp, attributes=plain_attributes(event.attributes)
            )
            for event in span.events
        ),
        links=tuple((link.context.trace_id, link.context.span_id) for link in span.links),
        is_error=span.status.status_code is StatusCode.ERROR,
        error=span.status.description or "",
    )


def readable_span(record: SpanRecord, resource: Resource) -> ReadableSpan:
    """Writes a record as the SDK's exporters take it."""
    is_root = not record.parent_id
    return ReadableSpan(
        record.name,
        context=_context(record.trace_id, record.span_id),
        parent=None if is_root else _context(record.trace_id, record.parent_id),
        resource=resource,
        attributes=record.attributes,
        events=[Event(event.name, event.attributes, event.at) for event in record.events],
        links=[trace.Link(_context(*link)) for link in record.links],
        kind=SpanKind[record.kind.upper()],
        status=Status(StatusCode.ERROR, record.error) if record.is_error else Status(),
        start_time=record.begun,
        end_time=record.ended,
        instrumentation_scope=_scope,
    )


def resource_of(environment: Mapping[str, str], **more: str) -> Resource:
    """Makes the resource that the standard variables of an environment tell."""
    told = dict(
        item.split("=", 1)
        for item in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
        if "=" in item
    )
    name = environment.get("OTEL_SERVICE_NAME") or told.get("service.name") or SCOPE
    return Resource.create({**told, "service.name": name, **more})


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_sampled)
