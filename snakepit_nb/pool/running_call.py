"""What bounds a call that runs: its time, its caller's patience, and the life of its worker."""

import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio

from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    PoolClosedError,
    SnakepitError,
    WorkerCrashedError,
)
from snakepit_nb.launch.launcher import WorkerExit

from .pending_call import PendingCall
from .refusals import lost_words
from .supervisor import LiveWorker

log = logging.getLogger(__name__)

EXIT_SECONDS = 2.0  # between the end of a connection and that of its process
SHOWN_LINES = 8


Abandon = Callable[[], None]
"""Gives up a call that its worker cannot stop, with that worker."""


@asynccontextmanager
async def bounded(
    worker: LiveWorker, call: PendingCall, grace: float, abandon: Abandon
) -> AsyncIterator[None]:
    """Ends a call that runs for too long or that nobody waits for, and tells a crash in full.

    The worker's share is free again only behind this: when the worker has really stopped the call,
    or, after `grace` seconds, was killed. A worker that runs other calls too is killed after them.
    """
    try:
        with anyio.move_on_after(None if call.is_cell else call.seconds_left) as call.scope:
            yield
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await _stop(worker, call, grace, abandon)
        raise
    except WorkerCrashedError:
        worker.is_gone = True
        raise await _crash_error(worker, call) from None
    if call.scope.cancelled_caught:
        with anyio.CancelScope(shield=True):
            how = await _stop(worker, call, grace, abandon)
        raise _cancelled_error(call, how) if call.is_cancelled else _timeout_error(call, how)


@asynccontextmanager
async def interrupted_after(
    worker: LiveWorker, call: PendingCall, grace: float, abandon: Abandon
) -> AsyncIterator[None]:
    """Interrupts a cell that runs for too long; unlike a tool, it may still show and reply."""
    if call.seconds_left is None:
        yield
        return
    how: list[str] = []
    failure: SnakepitError | None = None
    async with anyio.create_task_group() as tasks:

        async def interrupt(after: float) -> None:
            await _interrupt(worker, call, after, how)
            await anyio.sleep(grace)
            with anyio.CancelScope(shield=True):  # the crash that it makes ends the call below
                how.append(await _give_up(worker, call, grace, abandon))
            tasks.cancel_scope.cancel()

        tasks.start_soon(interrupt, call.seconds_left)
        try:
            yield
        except SnakepitError as error:  # raised outside, else it would come in a group
            failure = error
        tasks.cancel_scope.cancel()
    if how:
        raise _timeout_error(call, how[-1]) from failure
    if failure is not None:
        raise failure


def gone_before_error(call: PendingCall) -> WorkerCrashedError:
    """Words that a worker was lost between the grant of a call and its begin."""
    return WorkerCrashedError(
        f"Worker {call.worker_id} was gone before it began {call.what}: call it again.",
        correlation_id=call.correlation_id,
    )


async def _interrupt(worker: LiveWorker, call: PendingCall, after: float, how: list[str]) -> None:
    await anyio.sleep(after)
    how.append("was interrupted; its session is as it left it")
    with suppress(SnakepitError):  # the call itself tells what is wrong
        await worker.channel.interrupt(call.call_id)


async def _stop(worker: LiveWorker, call: PendingCall, grace: float, abandon: Abandon) -> str:
    """Waits until the worker has stopped a call that was cancelled, or gives it up."""
    try:
        with anyio.fail_after(grace):
            await worker.channel.wait_stopped(call.call_id)
    except TimeoutError:
        return await _give_up(worker, call, grace, abandon)
    except SnakepitError as error:
        log.warning("worker %s does not tell whether a call stopped: %s", worker.worker_id, error)
        await worker.kill("it did not answer any more")
        return "ended with its worker"
    return "was interrupted"


async def _give_up(worker: LiveWorker, call: PendingCall, grace: float, abandon: Abandon) -> str:
    """Ends a worker for a call that did not stop, but not under the other calls that it runs."""
    lost = "" if call.session_id is None else f", and session {call.session_id!r} lost with it"
    words = f"did not stop within {grace:g} s of its interrupt: its worker was "
    if worker.capacity > 1:
        abandon()
        return f"{words}given up and is killed when its other calls have ended{lost}"
    await worker.kill("a call did not stop when it was interrupted")
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


async def _crash_error(worker: LiveWorker, call: PendingCall) -> SnakepitError:
    ended: WorkerExit | None = None
    with anyio.move_on_after(EXIT_SECONDS):
        ended = await worker.process.wait()
    if ended is None:
        await worker.kill("it did not answer any more")
    if worker.ended_because == "it was stopped":
        return PoolClosedError(
            f"{call.what} was ended with its pool.", correlation_id=call.correlation_id
        )
    how = worker.ended_because or f"it ended with {_named(ended)}"
    lost = ""
    if call.session_id is not None:
        lost = f" Session {call.session_id!r} lost {lost_words(call.names)}."
    lines = worker.process.last_lines[-SHOWN_LINES:]
    wrote = "".join(f"\n  {line}" for line in lines)
    return WorkerCrashedError(
        f"Worker {worker.worker_id} is gone while it ran {call.what}: {how}.{lost}"
        + (f"\nWhat it wrote last:{wrote}" if lines else ""),
        correlation_id=call.correlation_id,
    )


def _named(ended: WorkerExit | None) -> str:
    if ended is None or ended.signal is None:
        return str(ended)
    return f"{ended} ({signal.Signals(ended.signal).name})"
