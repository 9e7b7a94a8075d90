"""The times that a call takes in its worker, for the kernel that asked for them by a header."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc.aio
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from snakepit_nb.identifiers import CORRELATION_HEADER, CORRELATION_KEY, CorrelationId
from snakepit_nb.observations import WorkerTrace
from snakepit_nb.telemetry.correlation import adopted_correlation_id
from snakepit_nb.telemetry.ids import (
    TRACE_HEADER,
    error_words,
    named_error,
    new_span_id,
    read_traceparent,
)
from snakepit_nb.telemetry.providers import providers

ServicerContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOTHING: AbstractContextManager[None] = nullcontext()


class Headers:
    """The gRPC headers of one request."""

    def __init__(self, context: ServicerContext) -> None:
        self._found: Mapping[str, Any] = dict(context.invocation_metadata() or ())

    def correlation_id(self, metadata: Mapping[str, str]) -> CorrelationId:
        """Returns the correlation id: the header's, else the request's, else a fresh one."""
        mirrored = metadata.get(CORRELATION_KEY, "")
        return adopted_correlation_id(str(self._found.get(CORRELATION_HEADER, mirrored)))

    def watch(
        self, what: str, correlation_id: CorrelationId, sink: Callable[[WorkerTrace], object]
    ) -> "Watch":
        """Makes what takes a call's times, if the kernel wants to know them."""
        parent = read_traceparent(str(self._found.get(TRACE_HEADER, "")))
        if parent is None:
            return Watch(None, None, sink)
        taken = WorkerTrace(
            trace_id=parent[0],
            answers=parent[1],
            span_id=new_span_id(),
            code_id=new_span_id(),
            correlation_id=correlation_id,
            what=what,
            begun=time.time_ns(),
        )
        # What else came, such as baggage, is for whatever user code has of OpenTelemetry.
        more = propagate.extract(self._found, Context()) if "baggage" in self._found else Context()
        return Watch(taken, more, sink)


class Watch:
    """Takes the times of one call while its `with` lasts; the sink gets them at the end."""

    __slots__ = ("_sink", "_surroundings", "taken")

    def __init__(
        self,
        taken: WorkerTrace | None,
        surroundings: Context | None,
        sink: Callable[[WorkerTrace], object],
    ) -> None:
        self.taken = taken
        self._surroundings = surroundings
        self._sink = sink

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        taken = self.taken
        if taken is not None:
            taken.ended = time.time_ns()
            taken.error = error_words(error) if error is not None else taken.code_error
            self._sink(taken)

    def note_error(self, name: str, message: str) -> None:
        """Notes an error of the user's code that is not raised."""
        if self.taken is not None:
            self.taken.code_error = named_error(name, message)

    def code(self) -> AbstractContextManager[None]:
        """Covers the user's code, on its thread; spans that it makes itself lie within."""
        if self.taken is None:
            return _NOTHING
        return _Code(self.taken, self._surroundings)


class _Code:
    __slots__ = ("_surroundings", "_taken", "_token")

    def __init__(self, taken: WorkerTrace, surroundings: Context | None) -> None:
        self._taken = taken
        self._surroundings = surroundings

    def __enter__(self) -> None:
        taken = self._taken
        within = SpanContext(taken.trace_id, taken.code_id, is_remote=False, trace_flags=_SAMPLED)
        here = trace.set_span_in_context(NonRecordingSpan(within), self._surroundings)
        self._token = contexts.attach(here)
        providers.look(taken.trace_id)
        taken.code_begun = time.time_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        taken = self._taken
        taken.code_ended = time.time_ns()
        if error is not None:
            taken.code_error = error_words(error)
        contexts.detach(self._token)
