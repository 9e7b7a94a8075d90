"""How a call lost its worker, and the words for that."""

import signal
from dataclasses import dataclass

from snakepit_nb.errors import (
    PoolClosedError,
    Progress,
    SessionLostError,
    SnakepitError,
    WorkerCrashedError,
)
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.launch.launcher import WorkerExit
from snakepit_nb.scheduling.retry import NoRetry

from .pending_call import PendingCall
from .refusals import lost_words
from .supervisor import STOPPED

SHOWN_LINES = 8
_FATAL = "Fatal Python error"  # as faulthandler begins

_NEXT_STEPS = {
    NoRetry.NOT_IDEMPOTENT: (
        "Call it again if it may run twice; @tool(idempotent=True), or --idempotent for a cell, "
        "lets that be done for you."
    ),
    NoRetry.PARTLY_TOLD: "Call it again, and take its items from the first.",
    NoRetry.ATTEMPTS: "See %snakepit status for why workers end.",
    NoRetry.BUDGET: "See %snakepit status for why workers end.",
    NoRetry.NO_TIME: "Give it more time: --timeout.",
}
_FINISHED_STEP = "See what it has done before you call it again."
_STATE_STEP = "Run its cells again from the first; the next one starts anew."
_MEMORY_STEP = "Give it less data, or the pool fewer workers: %snakepit scale -1."


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One worker that was lost under a call."""

    worker_id: WorkerId
    progress: Progress
    ended: WorkerExit | None = None
    """None: it is not known how."""
    because: str = ""
    """What the pool ended it for; empty where it ended by itself."""
    last_lines: tuple[str, ...] = ()

    @property
    def how(self) -> str:
        """Words how the worker ended."""
        if self.because:
            return self.because
        if self.ended is None:
            return "it was gone before the call began"
        name = "" if self.ended.signal is None else f" ({signal.Signals(self.ended.signal).name})"
        guess = ", probably for lack of memory" if self.ended.is_probably_out_of_memory else ""
        return f"it ended with {self.ended}{name}{guess}"


class LostError(WorkerCrashedError):
    """A call's worker is lost; whether that is the call's end is not decided yet."""

    def __init__(self, loss: Loss, call: PendingCall) -> None:
        super().__init__(
            f"Worker {loss.worker_id} is gone: {loss.how}.",
            progress=loss.progress,
            correlation_id=call.correlation_id,
        )
        self.loss = loss


def final_error(call: PendingCall, loss: Loss, why: NoRetry | None) -> SnakepitError:
    """Tells the caller the whole truth. `why` it was not run again, if that was a question."""
    if loss.because == STOPPED:
        return PoolClosedError(
            f"{call.what} was ended with its pool.", correlation_id=call.correlation_id
        )
    if loss.progress is Progress.NOT_STARTED and call.holds_state:
        return SessionLostError(
            f"Session {call.session_id!r}: its worker {loss.worker_id} is gone ({loss.how}), and "
            f"{lost_words(call.names)} with it. Run its cells again from the first; the next one "
            "starts anew.",
            correlation_id=call.correlation_id,
        )
    return WorkerCrashedError(
        _words(call, loss, why),
        progress=loss.progress,
        correlation_id=call.correlation_id,
        details={"how": loss.how, "last_lines": loss.last_lines},
    )


def again_words(loss: Loss) -> str:
    """Tells in a cell's output that the cell runs again."""
    return f"Worker {loss.worker_id} is gone: {loss.how}. The cell may run twice: it runs again.\n"


def _words(call: PendingCall, loss: Loss, why: NoRetry | None) -> str:
    name, begin = ("the cell", "The cell") if call.is_cell else (call.what, call.what)
    lost = ""
    if call.session_id is not None and loss.progress is not Progress.NOT_STARTED:
        lost = f" Session {call.session_id!r} lost {lost_words(call.names)}."
    again = "" if why is None else f" It was not run again: {why.value}."
    before = ", ".join(attempt.worker for attempt in call.lost)
    also = f" (as {before} before)" if before else ""
    lines = _telling_lines(loss.last_lines)
    wrote = "".join(f"\n  {line}" for line in lines)
    step = _STATE_STEP if call.holds_state else _next_step(loss, why)
    return (
        f"Worker {loss.worker_id}{also} is gone while it ran {name}: {loss.how}. "
        f"{begin} {loss.progress.value}.{again}{lost}"
        + (f"\nWhat it wrote last:{wrote}" if lines else "")
        + (f"\n{step}" if step else "")
    )


def _telling_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Picks the last lines, or the first of Python's own report of a crash."""
    begins = [number for number, line in enumerate(lines) if line.startswith(_FATAL)]
    if not begins:
        return lines[-SHOWN_LINES:]
    report = [line for line in lines[begins[-1] :] if line.strip()]
    return tuple(report[:SHOWN_LINES])


def _next_step(loss: Loss, why: NoRetry | None) -> str:
    if loss.because:
        return ""
    if loss.ended is not None and loss.ended.is_probably_out_of_memory:
        return _MEMORY_STEP
    if loss.progress is Progress.FINISHED:
        return _FINISHED_STEP
    if why is NoRetry.TWO_CRASHES:
        return f"See what it logged: %snakepit logs {loss.worker_id}."
    return "" if why is None else _NEXT_STEPS.get(why, "")
