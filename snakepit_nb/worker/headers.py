"""What the gRPC headers of a request tell: whose it is, and the span that it belongs to."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import grpc.aio
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Span

from snakepit_nb.identifiers import CORRELATION_HEADER, CorrelationId
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, Part
from snakepit_nb.telemetry.tracing import NO_SPAN, CurrentSpan, context_of

TRACE_HEADER = "traceparent"

ServicerContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


class Headers:
    """The headers of one request."""

    def __init__(self, context: ServicerContext) -> None:
        self._found: Mapping[str, Any] = dict(context.invocation_metadata() or ())

    @property
    def correlation_id(self) -> str:
        """The correlation id, or nothing."""
        return str(self._found.get(CORRELATION_HEADER, ""))

    def worker_span(self, name: str, correlation_id: CorrelationId) -> AbstractContextManager[Span]:
        """Covers what the worker does for the call, where its kernel asks for spans."""
        if TRACE_HEADER not in self._found:
            return NO_SPAN
        attributes = {CORRELATION_ATTRIBUTE: correlation_id}
        return CurrentSpan(Part.WORKER, name, attributes, context_of(self._found))


def surroundings() -> Context | None:
    """Returns OpenTelemetry's context here, for the thread on which the call's code will run."""
    return contexts.get_current() or None


def code_span(name: str, within: Context | None) -> AbstractContextManager[Span]:
    """Covers the user's code, on its thread; spans that it makes itself lie within."""
    return NO_SPAN if within is None else CurrentSpan(Part.TOOL, name, {}, within)
