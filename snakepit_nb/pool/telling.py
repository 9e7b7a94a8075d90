"""Words what happens to calls and sessions, as events and as metrics."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import TypedDict

from snakepit_nb.calls import NO_SUCH_VARIABLE
from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    PoolClosedError,
    PoolError,
    PoolSaturatedError,
    QueueTimeoutError,
    SessionError,
    ToolError,
    UnsendableResultError,
    ValueEncodingError,
    WorkerCrashedError,
)
from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry import events
from snakepit_nb.telemetry.bus import emit, wanted
from snakepit_nb.telemetry.metrics import metrics

from .loss import Loss
from .pending_call import PendingCall
from .recent import RecentCalls

log = logging.getLogger(__name__)

REMEMBERED = 10_000  # sessions
_TYPE = re.compile(
    r"is a (?:`([^`]+)`(?:, a type that is not carried|, which is not carried:[^`]*"
    r"| with attributes besides its fields)|(numpy array|time zone) [^`]*)\.?$"
)
"""The end of a codec's complaint. What stands before it may be a key of the value."""


_OUTCOMES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((CallTimeoutError, QueueTimeoutError), "timeout"),
    (WorkerCrashedError, "crashed"),
    (CallCancelledError, "cancelled"),
    ((PoolError, SessionError), "refused"),
    (Exception, "failed"),
)


class _OfCall(TypedDict):
    pool: str
    tool: str
    call_id: str
    correlation_id: str
    session_id: str
    worker_id: str


class _OfSession(TypedDict):
    pool: str
    session_id: str
    worker_id: str


class Telling:
    """What one pool tells of them. An event is made where it is wanted."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._pool = settings.name
        self.recent = RecentCalls(time.monotonic())
        self._homes: dict[SessionId, WorkerId] = {}  # of the sessions told as settled

    def call_submitted(self, call: PendingCall) -> None:
        """A call wants a share of a worker."""
        if wanted(events.CallSubmitted) and not call.is_lease:
            emit(events.CallSubmitted(**self._of(call)))

    def call_granted(self, call: PendingCall) -> None:
        """A call has its share of a worker."""
        if call.is_lease:
            return
        waited = time.monotonic() - call.since
        if not call.lost:
            metrics.call_granted(self._pool, waited)
        if wanted(events.CallGranted):
            emit(events.CallGranted(**self._of(call), waited_seconds=waited))

    def call_retried(self, call: PendingCall, loss: Loss, delay: float) -> None:
        """A call has lost its worker, and is run again after that many seconds."""
        log.info(
            "%s is run again in %g s: worker %s is gone (%s), and it %s",
            call.what,
            delay,
            loss.worker_id,
            loss.how,
            loss.progress.value,
        )
        if wanted(events.CallRetried):
            emit(
                events.CallRetried(
                    **self._of(call),
                    delay_seconds=delay,
                    attempt=len(call.lost) + 1,
                    progress=loss.progress.name.lower(),
                    how=loss.how,
                )
            )

    def call_ended(self, call: PendingCall, error: BaseException | None) -> None:
        """A call is over, by an error or without one."""
        if call.is_lease:
            return
        outcome = _outcome(call, error)
        now = time.monotonic()
        seconds = now - call.since
        if call.worker_id is not None:
            self.recent.note(seconds, now)
        metrics.call_ended(self._pool, outcome, seconds)
        if call.is_stream and wanted(events.StreamEnded):
            emit(
                events.StreamEnded(
                    **self._of(call), chunks=call.chunks, bytes=call.bytes, outcome=outcome
                )
            )
        if error is not None:
            self._error_told(call, error, seconds)
        if wanted(events.CallEnded):
            name = "" if error is None else type(error).__name__
            emit(events.CallEnded(**self._of(call), seconds=seconds, outcome=outcome, error=name))

    def not_sent(self, call: PendingCall, message: str, direction: str) -> None:
        """A value of a call did not travel `there`, or `back`; the message is the codec's."""
        if wanted(events.SerializationFailed):
            found = _TYPE.search(message)
            name = "" if found is None else found[1] or found[2]
            emit(events.SerializationFailed(**self._of(call), direction=direction, type_name=name))

    def variables_not_sent(self, call: PendingCall, reasons: Iterable[str]) -> None:
        """A cell's variables did not come back: some may not be there at all."""
        for reason in reasons:
            if reason != NO_SUCH_VARIABLE:
                self.not_sent(call, reason, "back")

    def session_at(self, session_id: SessionId, home: WorkerId | None) -> None:
        """A call of a session is granted, whose state lives there; told when that is news."""
        if home is None or not wanted(events.SessionSettled):
            return
        if self._homes.get(session_id) != home:
            self._homes[session_id] = home
            if len(self._homes) > REMEMBERED:
                del self._homes[next(iter(self._homes))]
            emit(events.SessionSettled(**self._session(session_id, home)))

    def sessions_lost(self, lost: Mapping[SessionId, WorkerId]) -> None:
        """Sessions have lost their homes."""
        for session_id, worker_id in lost.items():
            emit(events.SessionLost(**self._session(session_id, worker_id)))

    def session_expired(self, session_id: SessionId, worker_id: WorkerId) -> None:
        """A session had no call for too long."""
        if wanted(events.SessionExpired):
            emit(events.SessionExpired(**self._session(session_id, worker_id)))

    def session_ended(self, session_id: SessionId, worker_id: WorkerId | None) -> None:
        """A session was ended by its user."""
        if wanted(events.SessionEnded):
            emit(events.SessionEnded(**self._session(session_id, worker_id)))

    def session_cleaned(self, session_id: SessionId, worker_id: WorkerId, freed: int) -> None:
        """A worker has let go of a session."""
        if wanted(events.SessionCleaned):
            emit(events.SessionCleaned(**self._session(session_id, worker_id), freed=freed))

    def _error_told(self, call: PendingCall, error: BaseException, seconds: float) -> None:
        match error:
            case QueueTimeoutError() if wanted(events.QueueTimeout):
                emit(events.QueueTimeout(**self._of(call), waited_seconds=seconds))
            case PoolSaturatedError() if wanted(events.PoolSaturated):
                size = self._settings.queue_size
                emit(events.PoolSaturated(**self._of(call), queue_size=size))
            case ToolError() if "problem" in error.details and wanted(events.ProblemRecognised):
                problem = str(error.details["problem"])
                emit(events.ProblemRecognised(**self._of(call), problem=problem))
            case UnsendableResultError():
                self.not_sent(call, error.message, "back")
            case ValueEncodingError():
                self.not_sent(call, error.message, "there")
            case _:
                pass

    def details(self, call: PendingCall) -> dict[str, object]:
        """Tells of which call an error is, but for its correlation id, which each error has."""
        told = {name: text for name, text in self._of(call).items() if text}
        told.pop("correlation_id", None)
        return told

    def _of(self, call: PendingCall) -> _OfCall:
        return {
            "pool": self._pool,
            "tool": call.what,
            "call_id": call.call_id,
            "correlation_id": call.correlation_id,
            "session_id": call.session_id or "",
            "worker_id": call.worker_id or "",
        }

    def _session(self, session_id: SessionId, worker_id: WorkerId | None) -> _OfSession:
        return {"pool": self._pool, "session_id": session_id, "worker_id": worker_id or ""}


def _outcome(call: PendingCall, error: BaseException | None) -> str:
    """Sorts how a call ended: as `events.CallEnded` has it."""
    if error is None:
        return "ok" if call.cell_error is None else "failed"
    if isinstance(error, PoolClosedError) and call.worker_id is not None:
        return "cancelled"  # it ran
    return next((word for kinds, word in _OUTCOMES if isinstance(error, kinds)), "cancelled")
