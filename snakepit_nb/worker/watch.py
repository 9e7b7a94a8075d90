"""The times that a call takes in its worker, for the kernel that asked for them by a header."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc.aio

from snakepit_nb.identifiers import CORRELATION_HEADER, CORRELATION_KEY, CorrelationId
from snakepit_nb.observations import WorkerTrace
from snakepit_nb.telemetry.correlation import adopted_correlation_id
from snakepit_nb.telemetry.ids import (
    TRACE_HEADER,
    error_words,
    named_error,
    new_span_id,
    read_traceparent,
    write_traceparent,
)

from .observed import Observed

ServicerContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time

_NOTHING: AbstractContextManager[None] = nullcontext()


class Headers:
    """The gRPC headers of one call."""

    __slots__ = ("found",)

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found

    @classmethod
    def of(cls, context: ServicerContext) -> Self:
        """Returns those that came with a request."""
        return cls(dict(context.invocation_metadata() or ()))

    def correlation_id(self, metadata: Mapping[str, str]) -> CorrelationId:
        """Returns the correlation id: the header's, else the request's, else a fresh one."""
        mirrored = metadata.get(CORRELATION_KEY, "")
        return adopted_correlation_id(str(self.found.get(CORRELATION_HEADER, mirrored)))

    def watch(self, what: str, correlation_id: CorrelationId, observed: Observed) -> "Watch":
        """Makes what takes a call's times, if the kernel wants to know them."""
        parent = read_traceparent(str(self.found.get(TRACE_HEADER, "")))
        if parent is None:
            return Watch(None, self, observed)
        taken = WorkerTrace(
            trace_id=parent[0],
            answers=parent[1],
            span_id=new_span_id(),
            code_id=new_span_id(),
            correlation_id=correlation_id,
            what=what,
            begun=time.time_ns(),
        )
        return Watch(taken, self, observed)


class Watch:
    """Takes the times of one call while its `with` lasts, and hands them in at the end."""

    __slots__ = ("_headers", "_observed", "_taken")

    def __init__(self, taken: WorkerTrace | None, headers: Headers, observed: Observed) -> None:
        self._taken = taken
        self._headers = headers
        self._observed = observed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        taken = self._taken
        if taken is not None:
            taken.ended = time.time_ns()
            taken.error = error_words(error) if error is not None else taken.code_error
            self._observed.add_trace(taken)

    @property
    def traceparent(self) -> str:
        """The span of the user's code, as a header carries it; empty: nobody wants to know."""
        taken = self._taken
        return "" if taken is None else write_traceparent(taken.trace_id, taken.code_id)

    def note_error(self, name: str, message: str) -> None:
        """Notes an error of the user's code that is not raised."""
        if self._taken is not None:
            self._taken.code_error = named_error(name, message)

    def code(self) -> AbstractContextManager[None]:
        """Covers the user's code, on its thread; spans that it makes itself lie within."""
        if self._taken is None:
            return _NOTHING
        return _Code(self._taken, self._headers, self._observed)


class _Code:
    __slots__ = ("_detach", "_headers", "_observed", "_taken")

    def __init__(self, taken: WorkerTrace, headers: Headers, observed: Observed) -> None:
        self._taken = taken
        self._headers = headers
        self._observed = observed
        self._detach: Callable[[], None] | None = None

    def __enter__(self) -> None:
        if "opentelemetry.trace" in sys.modules:
            from .users_spans import attach  # noqa: PLC0415 (only who uses it loads it)

            self._detach = attach(self._taken, self._headers.found, self._observed.add_span)
        self._taken.code_begun = time.time_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._taken.code_ended = time.time_ns()
        if error is not None:
            self._taken.code_error = error_words(error)
        if self._detach is not None:
            self._detach()
