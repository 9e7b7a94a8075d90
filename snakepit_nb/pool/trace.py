"""What a call leaves in the kernel: its part of a trace, and the label of its log lines."""

import time
from types import TracebackType

from snakepit_nb.errors import WorkerCrashedError
from snakepit_nb.telemetry.call_trace import CallTrace
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to
from snakepit_nb.telemetry.home import keep
from snakepit_nb.telemetry.ids import error_words, named_error

from .pending_call import PendingCall


class Underway:
    """Labels what is logged while a call is on its way to its worker and back, and takes times."""

    __slots__ = ("_call", "_label", "_worker")

    def __init__(self, call: PendingCall, worker: str) -> None:
        self._call = call
        self._worker = worker

    def __enter__(self) -> None:
        call = self._call
        self._label = belong_to(Label(call.correlation_id, self._worker, call.session_id or ""))
        call.worker = self._worker
        call.sent = time.time_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        call = self._call
        call.answered = time.time_ns()
        if error is not None:
            call.rpc_error = error_words(error)
            call.is_lost = isinstance(error, WorkerCrashedError)
        belong_no_more(self._label)


def leave_trace(call: PendingCall, pool: str, error: BaseException | None) -> None:
    """Keeps the kernel's part of a call that has ended, if it is to be traced."""
    if not call.origin.span_id:
        return
    failure = call.cell_error
    words = error_words(error) if failure is None else named_error(failure.name, failure.value)
    keep(
        CallTrace(
            origin=call.origin,
            correlation_id=call.correlation_id,
            what="remote cell" if call.is_cell else f"call {call.what}",
            pool=pool,
            call_id=call.call_id,
            session_id=call.session_id or "",
            worker=call.worker,
            entered=call.entered_at,
            granted=call.granted_at,
            sent=call.sent,
            answered=call.answered,
            ended=time.time_ns(),
            chunks=call.chunks,
            lost=call.lost,
            error=words,
            rpc_error=call.rpc_error,
            is_lost=call.is_lost,
        )
    )
