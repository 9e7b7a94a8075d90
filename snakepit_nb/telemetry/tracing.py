"""The spans of calls: each made in one place, current while its `with` lasts, and kept at its end.

Where the user has configured a TracerProvider, its tracer makes them; else a light one of ours.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Token
from types import MappingProxyType, TracebackType

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from snakepit_nb.observations import PART_KEY, Part, SpanRecord

from .spans import SCOPE, LightTracer

LONGEST_ERROR = 200
Sink = Callable[[SpanRecord], object]

_OUTER = (Part.CELL, Part.CALL, Part.WORKER)
_KINDS = {Part.RPC: SpanKind.CLIENT, Part.WORKER: SpanKind.SERVER}
Attributes = Mapping[str, str | int]

NO_SPAN: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)
_NOTHING: Attributes = MappingProxyType({})


class Tracing:
    """Where the spans of this process are made, and go when they have ended."""

    def __init__(self) -> None:
        self._sink: Sink = lambda _: None
        self._light = LightTracer(self._end)
        self._provider: trace.TracerProvider | None = None
        self.tracer: trace.Tracer | LightTracer = self._light

    def send_to(self, sink: Sink) -> None:
        """Lets the sink have what ends from now on, from any thread."""
        self._sink = sink

    def look_for_provider(self) -> None:
        """Takes the user's TracerProvider, as soon as one is configured."""
        provider = trace.get_tracer_provider()
        if provider is self._provider:
            return
        self._provider = provider
        if isinstance(provider, trace.ProxyTracerProvider):  # none
            self.tracer = self._light
        else:
            from .sdk import keep_spans_of  # noqa: PLC0415 (brings the SDK)

            keep_spans_of(provider, self._end)
            self.tracer = provider.get_tracer(SCOPE)

    def _end(self, record: SpanRecord) -> None:
        self._sink(record)


tracing = Tracing()


class CurrentSpan:
    """Begins a span that is current within its `with`; what is raised there marks it failed."""

    __slots__ = ("_context", "_span", "_token")

    def __init__(
        self,
        part: Part,
        name: str,
        attributes: Attributes,
        parent: Context | None = None,
        begun: int | None = None,
    ) -> None:
        if part in _OUTER:
            tracing.look_for_provider()
        self._context = parent
        self._span = tracing.tracer.start_span(
            name,
            parent,
            _KINDS.get(part, SpanKind.INTERNAL),
            {PART_KEY: part.value, **attributes},
            start_time=begun,
        )

    def __enter__(self) -> Span:
        surroundings = trace.set_span_in_context(self._span, self._context)
        self._token: Token[Context] = contexts.attach(surroundings)
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        contexts.detach(self._token)
        if error is not None:
            fail(self._span, error)
        self._span.end()


def child_span(
    part: Part, name: str, attributes: Attributes = _NOTHING, begun: int | None = None
) -> AbstractContextManager[Span]:
    """Begins a span under the current one; where that is not recorded, nothing.

    `begun` is in nanoseconds since 1970; by default it is now.
    """
    if trace.get_current_span().is_recording():
        return CurrentSpan(part, name, attributes, begun=begun)
    return NO_SPAN


def fail(span: Span, error: BaseException) -> None:
    """Marks a span failed by an exception."""
    span.record_exception(error)
    mark_failed(span, type(error).__name__, str(error))


def mark_failed(span: Span, name: str, message: str) -> None:
    """Marks a span failed, by an error of this name."""
    first_line = message.partition("\n")[0]
    words = f"{name}: {first_line}" if first_line else name
    span.set_status(StatusCode.ERROR, words[:LONGEST_ERROR])


def context_of(headers: Mapping[str, str]) -> Context:
    """Reads the surroundings that a request's headers carry."""
    return propagate.extract(headers, Context())


def headers_here() -> Mapping[str, str]:
    """Writes the surroundings as headers: `traceparent` and the like, none where there are none."""
    headers: dict[str, str] = {}
    if contexts.get_current():
        propagate.inject(headers)
    return headers


def surroundings() -> Context | None:
    """Returns OpenTelemetry's context here, for a call to take along; None where it is empty."""
    return contexts.get_current() or None


def baggage_item(name: str) -> object:
    """Returns what the caller's OpenTelemetry baggage holds under a name, if anything."""
    here = contexts.get_current()
    if not here:
        return None
    from opentelemetry import baggage  # noqa: PLC0415 (seldom)

    return baggage.get_baggage(name, here)
