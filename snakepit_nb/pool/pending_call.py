"""The calls of a pool: those that wait for a worker and those that have one."""

from dataclasses import dataclass, field
from typing import Self, assert_never

import anyio

from snakepit_nb.calls import CellCall, ToolCall
from snakepit_nb.errors import (
    PoolError,
    PoolSaturatedError,
    QueueTimeoutError,
    SessionLostError,
    SnakepitError,
)
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.scheduling.decisions import NoWorkers, QueueFull, Refusal, SessionLost

from .snapshot import CallSnapshot


@dataclass(slots=True, kw_only=True)
class PendingCall:
    """One call from its submission to its end."""

    call_id: CallId
    correlation_id: CorrelationId
    what: str
    session_id: SessionId | None
    since: float
    worker_id: WorkerId | None = None
    _refusal: SnakepitError | None = None
    _decided: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    def of(cls, call: ToolCall | CellCall, what: str, now: float) -> Self:
        """Enters a call that is submitted now."""
        return cls(
            call_id=call.call_id,
            correlation_id=call.correlation_id,
            what=what,
            session_id=call.session_id,
            since=now,
        )

    def accept(self, worker_id: WorkerId) -> None:
        """Gives the call its worker."""
        self.worker_id = worker_id
        self._decided.set()

    def refuse(self, error: SnakepitError) -> None:
        """Tells the caller that the call will not run; the first reason stands."""
        self._refusal = self._refusal or error
        self._decided.set()

    async def granted(self, timeout: float | None) -> WorkerId:
        """Waits for the worker.

        Raises:
            QueueTimeoutError: it took longer than `timeout` seconds.
            SnakepitError: the call was refused.
        """
        with anyio.move_on_after(timeout):
            await self._decided.wait()
        if not self._decided.is_set():
            raise QueueTimeoutError(
                f"{self.what} waited {timeout:g} s for a worker: all are busy. See "
                "%snakepit status; start more workers, or give it more time.",
                correlation_id=self.correlation_id,
            )
        if self._refusal is not None:
            raise self._refusal
        assert self.worker_id is not None  # noqa: S101 (our own mistake)
        return self.worker_id

    def snapshot(self, now: float) -> CallSnapshot:
        """Returns what an observer may see."""
        return CallSnapshot(
            call_id=self.call_id,
            correlation_id=self.correlation_id,
            what=self.what,
            session_id=self.session_id,
            seconds=now - self.since,
        )


def refusal_error(
    reason: Refusal, *, pool: str, problems: tuple[str, ...], correlation_id: CorrelationId
) -> SnakepitError:
    """Words a refusal for the user."""
    match reason:
        case QueueFull():
            return PoolSaturatedError(
                f"Pool {pool!r}: {reason.size} calls wait already. Wait for some of them, or start "
                "more workers: %snakepit scale +1.",
                correlation_id=correlation_id,
            )
        case NoWorkers():
            why = f" The last problem: {problems[-1]}" if problems else ""
            return PoolError(
                f"Pool {pool!r} has no worker left. Start one: %snakepit scale 1.{why}",
                correlation_id=correlation_id,
            )
        case SessionLost():
            return SessionLostError(
                f"Session {reason.session_id!r}: its worker {reason.worker_id} is gone, and its "
                "variables with it. Run its cells again from the first; the next one starts anew.",
                correlation_id=correlation_id,
            )
        case _:
            assert_never(reason)
