"""The spans of a call on the kernel's side: all of it, its wait, its way to the worker and back."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import cast

from opentelemetry.context import Context
from opentelemetry.trace import Span

from snakepit_nb.errors import WorkerCrashedError
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, LOST_ATTRIBUTE, Part
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to
from snakepit_nb.telemetry.tracing import NO_SPAN, CurrentSpan, child_span, mark_failed

from .pending_call import PendingCall


class CallSpan:
    """Covers a call from the moment when it was made; log records within carry its id."""

    __slots__ = ("_call", "_label", "_made", "_span")

    def __init__(self, settings: PoolSettings, call: PendingCall) -> None:
        self._call = call
        self._made = _call_span(settings, call)

    def __enter__(self) -> None:
        call = self._call
        self._label = belong_to(Label(call.correlation_id, "", call.session_id or ""))
        self._span = self._made.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if self._call.cell_error is not None:
            mark_failed(self._span, self._call.cell_error.name, self._call.cell_error.value)
        self._made.__exit__(kind, error, frames)
        belong_no_more(self._label)


class RpcSpan:
    """Covers what goes to a call's worker and comes back."""

    __slots__ = ("_call", "_label", "_made", "_span", "_worker")

    def __init__(self, call: PendingCall, worker: str) -> None:
        self._call = call
        self._worker = worker

    def __enter__(self) -> None:
        call, worker = self._call, self._worker
        self._label = belong_to(Label(call.correlation_id, worker, call.session_id or ""))
        self._made = child_span(Part.RPC, "rpc", {"snakepit.worker_id": worker})
        self._span = self._made.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if isinstance(error, WorkerCrashedError):
            self._span.set_attribute(LOST_ATTRIBUTE, value=True)
        if self._call.chunks:
            self._span.set_attribute("snakepit.chunks", self._call.chunks)
        self._made.__exit__(kind, error, frames)
        belong_no_more(self._label)


def queue_span() -> AbstractContextManager[Span]:
    """Covers the wait for a worker."""
    return child_span(Part.QUEUE, "queue")


def _call_span(settings: PoolSettings, call: PendingCall) -> AbstractContextManager[Span]:
    if not settings.telemetry or call.is_lease:
        return NO_SPAN
    attributes: dict[str, str | int] = {
        CORRELATION_ATTRIBUTE: call.correlation_id,
        "snakepit.call_id": call.call_id,
        "snakepit.pool": settings.name,
    }
    if call.session_id is not None:
        attributes["snakepit.session_id"] = call.session_id
    name = "remote cell" if call.is_cell else f"call {call.what}"
    surroundings = cast("Context | None", call.origin.surroundings)
    return CurrentSpan(Part.CALL, name, attributes, surroundings, call.origin.at or None)
