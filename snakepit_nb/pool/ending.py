"""Ends calls before their time, and workers with them where nothing else helps."""

import anyio

from snakepit_nb.calls import InputReply
from snakepit_nb.errors import SnakepitError
from snakepit_nb.identifiers import CallId, WorkerId

from .dispatch import Dispatch
from .pending_call import PendingCall
from .supervisor import LiveWorker


class Ending:
    """What a pool's users end on purpose; none of it is run again."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs, or takes a call out of the queue."""
        call = self._dispatch.calls.get(call_id)
        if call is None:
            return
        worker = self._worker_of(call)
        if worker is None:
            call.cancel()
        else:
            await worker.channel.interrupt(call_id)

    async def reply_input(self, call_id: CallId, reply: InputReply) -> None:
        """Hands to a cell that runs what it has asked for."""
        call = self._dispatch.calls.get(call_id)
        worker = None if call is None else self._worker_of(call)
        if worker is not None:
            await worker.channel.reply_input(call_id, reply)

    async def cancel(self, call_id: CallId, *, kill: bool = False) -> bool:
        """Ends a call wherever it is, and returns when it runs no more; False: there is none.

        A cell is interrupted and may still reply. What does not stop within the grace time is
        ended with its worker; with `kill`, at once. Of a lease, the call that runs on it is ended.
        """
        call = self._dispatch.calls.get(call_id)
        if call is not None and call.is_lease and call.worker_id is not None:
            call = call.leased
        if call is None:
            return False
        worker = self._worker_of(call)
        if worker is not None and kill:
            call.is_cancelled = True
            await worker.kill("its call was cancelled", is_fault=False)
        elif worker is not None and call.is_cell:
            await self._interrupt_cell(worker, call)
        else:
            call.cancel()
        await self._dispatch.until(lambda: self._dispatch.calls.get(call.call_id) is not call)
        return True

    async def kill(self, call_id: CallId, because: str) -> None:
        """Kills the worker that runs a call. Another takes its place."""
        call = self._dispatch.calls.get(call_id)
        worker = None if call is None else self._worker_of(call)
        if call is not None and worker is not None:
            call.is_cancelled = True
            await worker.kill(because, is_fault=False)

    async def kill_worker(self, worker_id: WorkerId, because: str) -> None:
        """Kills a worker and what it runs, and returns when another is to take its place."""
        worker = self._dispatch.workers.get(worker_id)
        if worker is not None:
            for call in self._dispatch.calls.values():
                call.is_cancelled |= call.worker_id == worker_id
            await worker.kill(because, is_fault=False)
            await self._dispatch.until(lambda: worker_id not in self._dispatch.workers)

    async def _interrupt_cell(self, worker: LiveWorker, call: PendingCall) -> None:
        try:
            await worker.channel.interrupt(call.call_id)
        except SnakepitError:
            return  # the call itself tells what is wrong
        with anyio.move_on_after(self._dispatch.settings.interrupt_grace):
            await self._dispatch.until(lambda: call.call_id not in self._dispatch.calls)
            return
        call.cancel()

    def _worker_of(self, call: PendingCall) -> LiveWorker | None:
        return None if call.worker_id is None else self._dispatch.workers.get(call.worker_id)
