"""A light implementation of OpenTelemetry's spans, for processes where the user configured none.

The SDK's own span costs three times as much to make and to end, and a call has five.
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util import types

from snakepit_nb.observations import CORRELATION_ATTRIBUTE, Attribute, SpanEvent, SpanRecord

SCOPE = "snakepit_nb"
"""Under which OpenTelemetry files our spans."""

# A generator of our own: the system's would cost more than the rest of a span.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)

_KINDS = {kind: kind.name.lower() for kind in SpanKind}
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


@lru_cache(maxsize=1)
def trace_id_of(correlation_id: str) -> int:
    """Returns the trace id that belongs to a correlation id: 16 bytes of BLAKE2b.

    So all calls of one id are one trace, also where no span is around them, and a collector finds
    the trace by the id.
    """
    return int.from_bytes(blake2b(correlation_id.encode(), digest_size=16).digest())


class LightSpan(trace.Span):
    """One span; `sink` gets its record when it has ended."""

    def __init__(  # noqa: PLR0913 (what a span is)
        self,
        name: str,
        *,
        parent: SpanContext,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        links: Sequence[trace.Link],
        begun: int,
        sink: Callable[[SpanRecord], object],
    ) -> None:
        self._name = name
        self._parent_id = parent.span_id
        self._kind = kind
        self._attributes = dict(attributes)
        self._links = list(links)
        self._events: list[SpanEvent] = []
        self._status = Status()
        self._begun = begun
        self._sink: Callable[[SpanRecord], object] | None = sink
        self._context = SpanContext(
            trace_id=parent.trace_id or trace_id_of(str(self._attributes[CORRELATION_ATTRIBUTE])),
            span_id=_random.getrandbits(64) or 1,
            is_remote=False,
            trace_flags=_SAMPLED,
            trace_state=parent.trace_state,
        )

    def end(self, end_time: int | None = None) -> None:
        """Ends the span; a second time does nothing."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        sink(
            SpanRecord(
                trace_id=self._context.trace_id,
                span_id=self._context.span_id,
                parent_id=self._parent_id,
                name=self._name,
                kind=_KINDS[self._kind],
                begun=self._begun,
                ended=end_time or time.time_ns(),
                attributes=self._attributes,
                events=tuple(self._events),
                links=tuple((link.context.trace_id, link.context.span_id) for link in self._links),
                is_error=self._status.status_code is StatusCode.ERROR,
                error=self._status.description or "",
            )
        )

    def get_span_context(self) -> SpanContext:
        """Returns its ids."""
        return self._context

    def set_attributes(self, attributes: Mapping[str, types.AnyValue]) -> None:
        """Adds attributes; what is neither text nor number is kept as its `str`."""
        self._attributes |= plain_attributes(attributes)

    def set_attribute(self, key: str, value: types.AnyValue) -> None:
        """Adds an attribute, as `set_attributes`."""
        self._attributes[key] = _plain(value)

    def add_event(
        self, name: str, attributes: types.Attributes = None, timestamp: int | None = None
    ) -> None:
        """Notes a moment."""
        kept = plain_attributes(attributes)
        self._events.append(SpanEvent(name=name, at=timestamp or time.time_ns(), attributes=kept))

    def add_link(self, context: SpanContext, attributes: types.Attributes = None) -> None:
        """Links it to another span."""
        self._links.append(trace.Link(context, attributes))

    def update_name(self, name: str) -> None:
        """Names it anew."""
        self._name = name

    def is_recording(self) -> bool:
        """Tells whether it has not ended."""
        return self._sink is not None

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Tells how it went."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 (OpenTelemetry's)
    ) -> None:
        """Notes an exception, as an event of OpenTelemetry's name."""
        told = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", told | dict(attributes or {}), timestamp)


class LightTracer:
    """Makes them; of OpenTelemetry's `Tracer` it has what this project calls."""

    def __init__(self, sink: Callable[[SpanRecord], object]) -> None:
        self._sink = sink

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: types.Attributes = None,
        links: Sequence[trace.Link] = (),
        start_time: int | None = None,
    ) -> trace.Span:
        """Begins a span under the one of the context, else of the surroundings."""
        parent = trace.get_current_span(context).get_span_context()
        if parent.is_valid and not parent.trace_flags.sampled:
            return trace.NonRecordingSpan(parent)
        return LightSpan(
            name,
            parent=parent,
            kind=kind,
            attributes=attributes or {},
            links=links,
            begun=start_time or time.time_ns(),
            sink=self._sink,
        )


def plain_attributes(attributes: types.Attributes) -> dict[str, Attribute]:
    """Returns attributes of which each is a text or a number."""
    return {key: _plain(value) for key, value in (attributes or {}).items()}


def _plain(value: object) -> Attribute:
    return value if isinstance(value, str | bool | int | float) else str(value)
