"""The calls of a pool: those that wait for a worker and those that have one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import anyio

from snakepit_nb.calls import NO_ORIGIN, CellCall, CellError, Origin, ToolCall
from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    Progress,
    QueueTimeoutError,
    SnakepitError,
)
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.telemetry.call_trace import LostAttempt

from .snapshot import CallSnapshot


@dataclass(slots=True, kw_only=True)
class PendingCall:
    """One call from its submission to its end."""

    call_id: CallId
    correlation_id: CorrelationId
    what: str
    session_id: SessionId | None
    timeout: float | None
    """Seconds that it may take, from its submission to its end."""
    tool_name: str = ""
    """Empty for a cell, and for a function that the caller sent."""
    is_cell: bool = False
    is_lease: bool = False
    """It is a share that a caller took by hand, for calls of its own."""
    leased: "PendingCall | None" = None
    """The call that runs on that share now."""
    names: tuple[str, ...] = ()
    """The variables of its session."""
    cell_error: CellError | None = None
    """The error that its code ended by, if it is a cell."""
    is_stream: bool = False
    chunks: int = 0
    """How many items it has streamed."""
    bytes: int = 0
    """Of their data, on the line."""
    is_idempotent: bool = False
    """It may run twice."""
    holds_state: bool = False
    """Its session had state on its worker before it."""
    on_behalf_of: tuple[CallId, ...] = ()
    """The calls that wait for it, by way of a host tool."""
    is_awaited: Callable[[], bool] | None = None
    """Tells whether they do so now; None: all the time."""
    asks: set[anyio.CancelScope] = field(default_factory=set)
    """What the kernel does for it meanwhile, at its wish; it ends with the call."""
    lost: tuple[LostAttempt, ...] = ()
    """The earlier ones, on workers that were lost."""
    worker_id: WorkerId | None = None
    is_cancelled: bool = False
    is_abandoned: bool = False
    scope: anyio.CancelScope | None = None
    """Where it runs; cancelling it ends the call, not its caller."""
    since: float = field(default_factory=time.monotonic)
    origin: Origin = NO_ORIGIN
    worker: str = ""
    """What that is called where the workers of several pools are shown."""
    entered_at: int = field(default_factory=time.time_ns)
    """Nanoseconds since 1970, as the following."""
    granted_at: int = 0
    sent: int = 0
    answered: int = 0
    rpc_error: str = ""
    shown: int = 0
    """How many messages of what it shows have come, if it is a cell."""
    is_lost: bool = False
    """Its worker was gone while it ran there, or was given up: it tells nothing more of it."""
    _refusal: SnakepitError | None = None
    _decided: anyio.Event | None = None  # there is one while the call waits
    _shown_more: anyio.Event | None = None  # and while somebody waits for what it shows

    @classmethod
    def of(cls, call: ToolCall | CellCall, timeout: float | None) -> Self:
        """Enters a call that is submitted now."""
        return cls(
            call_id=call.call_id,
            correlation_id=call.correlation_id,
            what=(call.label or call.tool_name) if isinstance(call, ToolCall) else "cell",
            session_id=call.session_id,
            timeout=timeout,
            tool_name=call.tool_name if isinstance(call, ToolCall) and not call.label else "",
            is_cell=isinstance(call, CellCall),
            is_idempotent=isinstance(call, CellCall) and call.is_idempotent,
            on_behalf_of=call.on_behalf_of,
            is_awaited=call.is_awaited if isinstance(call, ToolCall) else None,
            origin=call.origin,
        )

    @property
    def is_held_up(self) -> bool:
        """Whether it waits for a worker, and others for it."""
        if not self.on_behalf_of or self.worker_id is not None or self._refusal is not None:
            return False
        return self.is_awaited is None or self.is_awaited()

    @property
    def is_idle_lease(self) -> bool:
        """Whether it is a share that a caller took by hand, and on which nothing runs."""
        return self.is_lease and self.leased is None

    @property
    def seconds_left(self) -> float | None:
        """How long it may still take."""
        return None if self.timeout is None else self.since + self.timeout - time.monotonic()

    def accept(self, worker_id: WorkerId, *, holds_state: bool = False) -> None:
        """Gives the call its worker."""
        self.worker_id = worker_id
        self.holds_state = holds_state
        self.granted_at = time.time_ns()
        self._wake()

    def refuse(self, error: SnakepitError) -> None:
        """Tells the caller that the call will not run; the first reason stands."""
        self._refusal = self._refusal or error
        self._wake()

    def end_asks(self) -> None:
        """Ends what the kernel does for it."""
        for scope in tuple(self.asks):
            scope.cancel()

    def begin_anew(self, progress: Progress) -> None:
        """Lets it look for another worker, its own having been lost."""
        attempt = LostAttempt(
            worker=self.worker or self.worker_id or "",
            progress=progress,
            sent=self.sent,
            answered=self.answered,
            error=self.rpc_error,
        )
        self.lost += (attempt,)
        self.worker_id = self.scope = self._decided = None
        self.worker = self.rpc_error = ""
        self.sent = self.answered = self.shown = 0
        self.is_lost = False

    def cancel(self) -> None:
        """Takes the call out of the queue, or ends it where it runs; its caller is told."""
        self.is_cancelled = True
        if self.scope is not None:
            self.scope.cancel()
        else:
            self.refuse(
                CallCancelledError(
                    "The call was taken out of the queue.", correlation_id=self.correlation_id
                )
            )

    async def granted(self, queue_timeout: float | None) -> WorkerId:
        """Waits for the worker.

        Raises:
            QueueTimeoutError: it took longer than `queue_timeout` seconds.
            CallTimeoutError: it took all the time that the call has.
            SnakepitError: the call was refused.
        """
        if self.worker_id is None and self._refusal is None:
            limits = [limit for limit in (queue_timeout, self.seconds_left) if limit is not None]
            self._decided = anyio.Event()
            with anyio.move_on_after(min(limits, default=None)):
                await self._decided.wait()
        if self._refusal is not None:
            raise self._refusal
        if self.worker_id is None:
            raise self._waited_error(queue_timeout)
        return self.worker_id

    def note_shown(self) -> None:
        """Notes that a message of what it shows was put out."""
        self.shown += 1
        if self._shown_more is not None:
            self._shown_more.set()
            self._shown_more = None

    async def wait_shown(self, number: int) -> None:
        """Returns when so many were."""
        while self.shown < number:
            self._shown_more = self._shown_more or anyio.Event()
            await self._shown_more.wait()

    def snapshot(self, now: float) -> CallSnapshot:
        """Returns what an observer may see."""
        return CallSnapshot(
            call_id=self.call_id,
            correlation_id=self.correlation_id,
            what=self.what,
            session_id=self.session_id,
            seconds=now - self.since,
            waited_seconds=max(0, self.granted_at - self.entered_at) / 1e9,
            is_overdue=self.timeout is not None and now > self.since + self.timeout,
        )

    def _wake(self) -> None:
        if self._decided is not None:
            self._decided.set()

    def _waited_error(self, queue_timeout: float | None) -> SnakepitError:
        left = self.seconds_left
        is_over = left is not None and left <= 0
        limit = self.timeout if is_over else queue_timeout
        more_time = (
            "give it more time: --timeout"
            if is_over
            else "let calls wait for longer: %snakepit config queue_timeout=60, then start it again"
        )
        return (CallTimeoutError if is_over else QueueTimeoutError)(
            f"{self.what} waited {limit:g} s for a worker: all are busy. See "
            f"%snakepit status; start more workers, or {more_time}.",
            correlation_id=self.correlation_id,
        )
