"""The booking of a share of one worker, for as long as a call or a lease needs it."""

import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import anyio

from snakepit_nb.errors import Progress, SnakepitError
from snakepit_nb.scheduling.events import CallSubmitted
from snakepit_nb.scheduling.retry import NoRetry, decide
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to

from .dispatch import Dispatch
from .loss import Loss, LostError, final_error
from .pending_call import PendingCall
from .supervisor import STOPPED, LiveWorker
from .trace import leave_trace

T = TypeVar("T")


class Share:
    """Holds a place in the queue and then a share of a worker, within an `async with`.

    A class, since each call has one: a generator would take three times as long.
    """

    __slots__ = ("_call", "_dispatch", "_event", "_label", "_queue_timeout", "_worker")

    def __init__(
        self,
        dispatch: Dispatch,
        call: PendingCall,
        event: CallSubmitted,
        queue_timeout: float | None,
    ) -> None:
        self._dispatch = dispatch
        self._call = call
        self._event = event
        self._queue_timeout = queue_timeout
        self._worker: LiveWorker | None = None

    async def __aenter__(self) -> Self:
        """Submits the call.

        Raises:
            PoolClosedError: the pool takes no more.
        """
        call = self._call
        self._dispatch.enter(call)
        self._label = belong_to(Label(call.correlation_id, "", call.session_id or ""))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Gives the share back."""
        if self._call.tool_name:
            self._dispatch.circuits.settle(self._call, error)
        if error is None and self._call.cell_error is None:
            self._dispatch.retries.note_success()
        elif self._worker is not None:
            self._dispatch.health.note_error(self._worker, self._call, error)
        if isinstance(error, SnakepitError):
            error.details = {**self._dispatch.telling.details(self._call), **error.details}
        self._dispatch.telling.call_ended(self._call, error)
        self._dispatch.leave(self._call, self._worker)
        leave_trace(self._call, self._dispatch.settings.name, error)
        belong_no_more(self._label)

    async def taken(self) -> LiveWorker:
        """Waits for the worker.

        Raises:
            SnakepitError: the call was refused, or waited for too long.
            LostError: the worker was lost in the same moment.
        """
        dispatch, call = self._dispatch, self._call
        dispatch.tell(self._event)
        worker_id = await call.granted(self._queue_timeout)
        worker = self._worker = dispatch.workers.get(worker_id)
        if worker is None:
            raise LostError(Loss(worker_id=worker_id, progress=Progress.NOT_STARTED), call)
        worker.calls += 1
        dispatch.telling.call_granted(call)
        return worker

    async def run(
        self,
        work: Callable[[LiveWorker], Awaitable[T]],
        before_again: Callable[[Loss], Awaitable[None]] | None = None,
    ) -> T:
        """Runs the call's work on a worker; if that is lost, on another one, where that may be.

        `before_again` is awaited before the call runs again that had begun.

        Raises:
            SnakepitError: the call was refused, or waited for too long.
            WorkerCrashedError: its worker was lost, and it was not run again.
            SessionLostError: as that, and it would have needed what was lost with the worker.
        """
        if self._call.tool_name:
            self._dispatch.circuits.admit(self._call)
        while True:
            try:
                return await work(await self.taken())
            except LostError as lost:
                delay = self._delay_after(lost.loss)
                await self._give_back(lost.loss, delay)
                if before_again is not None and lost.loss.progress is not Progress.NOT_STARTED:
                    await before_again(lost.loss)

    def _delay_after(self, loss: Loss) -> float:
        """Returns after how many seconds the call may run again.

        Raises: as `run`, where it may not.
        """
        call = self._call
        ends_here = call.is_cancelled or call.holds_state or loss.because == STOPPED
        if ends_here or self._event.worker_id is not None:  # the only one that it wanted
            raise final_error(call, loss, None) from None
        decision = decide(
            [*(attempt.progress for attempt in call.lost), loss.progress],
            is_idempotent=self._is_idempotent(),
            is_partly_told=call.chunks > 0,
            seconds_left=call.seconds_left,
            chance=random.random(),  # noqa: S311 (no secret)
        )
        if isinstance(decision, NoRetry):
            raise final_error(call, loss, decision) from None
        has_begun = loss.progress is not Progress.NOT_STARTED
        if has_begun and not self._dispatch.retries.take(loss.worker_id):
            raise final_error(call, loss, NoRetry.BUDGET) from None
        return decision.delay

    def _is_idempotent(self) -> bool:
        tools = () if self._worker is None else self._worker.tools
        name = self._call.tool_name
        return self._call.is_idempotent or any(
            tool.name == name and tool.is_idempotent for tool in tools
        )

    async def _give_back(self, loss: Loss, delay: float) -> None:
        """Gives up the share of a dead worker, and waits until the call may look for another."""
        self._dispatch.give_back(self._call, self._worker)
        self._dispatch.telling.call_retried(self._call, loss, delay)
        self._worker = None
        self._call.begin_anew(loss.progress)
        if delay:
            await anyio.sleep(delay)
