"""What bounds a call that runs: its time, its caller's patience, and the life of its worker."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio

from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    Progress,
    SnakepitError,
    ToolError,
    WorkerCrashedError,
)
from snakepit_nb.launch.launcher import WorkerExit

from .loss import Loss, LostError
from .pending_call import PendingCall
from .supervisor import STOPPED, LiveWorker
from .trace import Underway

log = logging.getLogger(__name__)

T = TypeVar("T")

EXIT_SECONDS = 2.0  # between the end of a connection and that of its process
CANCELLED = "asyncio.exceptions.CancelledError"


@dataclass(slots=True, kw_only=True)
class RunningCall:
    """A call on its worker.

    The worker's share is free again only behind `run`: when the worker has really stopped the call,
    or, after `grace` seconds, was killed. A worker that runs other calls too is killed after them.
    """

    worker: LiveWorker
    call: PendingCall
    grace: float
    abandon: Callable[[], None]
    """Gives up the call, which its worker cannot stop, with that worker."""

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Ends work that takes too long or that nobody waits for, and tells a crash in full."""
        call = self.call
        try:
            with anyio.move_on_after(None if call.is_cell else call.seconds_left) as call.scope:
                with Underway(call, self.worker.name):
                    return await work()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._stop()
            raise
        except WorkerCrashedError:
            self.worker.is_gone = True
            with anyio.CancelScope(shield=True):
                loss = await _loss(self.worker, call)
            raise LostError(loss, call) from None
        except ToolError as error:
            if error.remote_type == CANCELLED and self.worker.ended_because == STOPPED:
                # Where it has threads, a worker that is stopped cancels what awaits.
                worker_id = self.worker.worker_id
                loss = Loss(worker_id=worker_id, progress=Progress.STARTED, because=STOPPED)
                raise LostError(loss, call) from None
            raise
        with anyio.CancelScope(shield=True):
            how = await self._stop()
        raise _cancelled_error(call, how) if call.is_cancelled else _timeout_error(call, how)

    async def run_cell(self, work: Callable[[], Awaitable[T]]) -> T:
        """As `run`, but interrupts what takes too long: a cell may still show and reply then."""
        if self.call.seconds_left is None:
            return await self.run(work)
        return await self.run(partial(self._interrupted, work, self.call.seconds_left))

    async def _interrupted(self, work: Callable[[], Awaitable[T]], after: float) -> T:
        how: list[str] = []
        values: list[T] = []
        failure: SnakepitError | None = None
        async with anyio.create_task_group() as tasks:

            async def interrupt() -> None:
                await self._interrupt(after, how)
                await anyio.sleep(self.grace)
                with anyio.CancelScope(shield=True):  # the crash that it makes ends the call below
                    how.append(await self._give_up())
                tasks.cancel_scope.cancel()

            tasks.start_soon(interrupt)
            try:
                values.append(await work())
            except SnakepitError as error:  # raised outside, else it would come in a group
                failure = error
            tasks.cancel_scope.cancel()
        if how:
            raise _timeout_error(self.call, how[-1]) from failure
        if failure is not None:
            raise failure
        return values[0]

    async def _interrupt(self, after: float, how: list[str]) -> None:
        await anyio.sleep(after)
        how.append("was interrupted; its session is as it left it")
        with suppress(SnakepitError):  # the call itself tells what is wrong
            await self.worker.channel.interrupt(self.call.call_id)

    async def _stop(self) -> str:
        """Waits until the worker has stopped a call that was cancelled, or gives it up."""
        worker = self.worker
        if worker.capacity > 1:  # a thread that waits for the notebook hears of it by that only
            self.call.end_asks()
        try:
            with anyio.fail_after(self.grace):
                await worker.channel.wait_stopped(self.call.call_id)
        except TimeoutError:
            return await self._give_up()
        except WorkerCrashedError:
            worker.is_gone = self.call.is_lost = True
            await _loss(worker, self.call)
            return "ended with its worker"
        except SnakepitError as error:
            log.warning(
                "worker %s does not tell whether a call stopped: %s", worker.worker_id, error
            )
            self.call.is_lost = True
            await worker.kill("it did not answer any more")
            return "ended with its worker"
        return "was interrupted"

    async def _give_up(self) -> str:
        """Ends a worker for a call that did not stop, but not under its other calls."""
        self.call.is_lost = True
        session = self.call.session_id
        lost = "" if session is None else f", and session {session!r} lost with it"
        words = f"did not stop within {self.grace:g} s of its interrupt: its worker was "
        if self.worker.capacity > 1:
            self.abandon()
            return f"{words}given up and is killed when its other calls have ended{lost}"
        await self.worker.kill("a call did not stop when it was interrupted", is_fault=False)
        return f"{words}killed{lost}"


def _timeout_error(call: PendingCall, how: str) -> CallTimeoutError:
    return CallTimeoutError(
        f"{call.what} ran for longer than {call.timeout:g} s and {how}. Give it more time: "
        "--timeout.",
        correlation_id=call.correlation_id,
    )


def _cancelled_error(call: PendingCall, how: str) -> CallCancelledError:
    return CallCancelledError(
        f"{call.what} was cancelled: it {how}.", correlation_id=call.correlation_id
    )


async def _loss(worker: LiveWorker, call: PendingCall) -> Loss:
    """Makes sure that the worker is dead, and reads how far it had come with the call."""
    ended: WorkerExit | None = None
    with anyio.move_on_after(EXIT_SECONDS):
        ended = await worker.process.wait()
    if ended is None:
        ended = await worker.kill("it did not answer any more")
    return Loss(
        worker_id=worker.worker_id,
        progress=worker.process.progress_of(call.call_id),
        ended=ended,
        because=worker.ended_because,
        last_lines=worker.process.last_lines,
    )
