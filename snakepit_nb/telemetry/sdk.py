"""The spans of OpenTelemetry's SDK, to and from our records. Only who exports needs this."""

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util import types

from snakepit_nb.observations import Attribute, SpanEvent, SpanRecord

SCOPE = "snakepit_nb"
"""Under which OpenTelemetry files our spans."""

_scope = InstrumentationScope(SCOPE)
_sampled = TraceFlags(TraceFlags.SAMPLED)


def tell_ends(provider: trace.TracerProvider, sink: Callable[[SpanRecord], object]) -> None:
    """Lets the sink have each span of a provider that ends."""
    if isinstance(provider, TracerProvider):
        provider.add_span_processor(_Teller(sink))


class _Teller(SpanProcessor):
    def __init__(self, sink: Callable[[SpanRecord], object]) -> None:
        self._sink = sink

    def on_end(self, span: ReadableSpan) -> None:
        """Hands on what has ended, but for ours, which the provider was given only to export."""
        if span.instrumentation_scope is not _scope:
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
        attributes=_plain(span.attributes),
        events=tuple(
            SpanEvent(name=event.name, at=event.timestamp, attributes=_plain(event.attributes))
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


def is_sampled(provider: trace.TracerProvider, trace_id: int, name: str) -> bool:
    """Asks a provider's sampler whether it wants a trace."""
    sampler = getattr(provider, "sampler", None)
    return sampler is None or sampler.should_sample(None, trace_id, name).decision.is_sampled()


def resource_of(environment: Mapping[str, str], **more: str) -> Resource:
    """Makes the resource that the standard variables of an environment tell."""
    told = {
        name.strip(): unquote(value.strip())
        for item in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
        for name, is_told, value in [item.partition("=")]
        if is_told
    }
    name = environment.get("OTEL_SERVICE_NAME") or told.get("service.name") or SCOPE
    return Resource.create({**told, "service.name": name, **more})


def _plain(attributes: types.Attributes) -> dict[str, Attribute]:
    """Returns attributes of which each is a text or a number."""
    return {
        key: value if isinstance(value, str | bool | int | float) else str(value)
        for key, value in (attributes or {}).items()
    }


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_sampled)
