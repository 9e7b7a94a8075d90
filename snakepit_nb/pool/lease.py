"""A booked share of one worker, and what runs on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial

import anyio

from snakepit_nb.calls import (
    CallPlace,
    CellCall,
    CellEvent,
    CellReply,
    ToolCall,
    ToolChunk,
    ToolResult,
)
from snakepit_nb.channel.channel import PutCellEvent
from snakepit_nb.identifiers import CallId, WorkerId

from .dispatch import Dispatch
from .loss import LostError, final_error
from .pending_call import PendingCall
from .place import place_of
from .running_call import RunningCall
from .supervisor import LiveWorker
from .trace import leave_trace

PutChunk = Callable[[ToolChunk], Awaitable[None]]


class Lease:
    """The share that the pool booked for `holder`, which may be the call itself."""

    def __init__(self, dispatch: Dispatch, worker: LiveWorker, holder: PendingCall) -> None:
        self._dispatch = dispatch
        self._worker = worker
        self._holder = holder

    async def call(self, call: ToolCall, pending: PendingCall) -> ToolResult:
        """Runs a tool."""
        return await self._running(pending).run(partial(self._worker.channel.call, call))

    async def stream(self, call: ToolCall, pending: PendingCall, put: PutChunk) -> None:
        """Runs a streaming tool."""
        pending.is_stream = True

        async def work() -> None:
            # Closed here, whatever ends `put`: the tool runs until its stream is closed.
            async with aclosing(self._worker.channel.stream(call)) as chunks:
                async for chunk in chunks:
                    pending.chunks += not chunk.is_final
                    pending.bytes += chunk.bytes
                    await put(chunk)

        await self._running(pending).run(work)

    async def run_cell(self, cell: CellCall, pending: PendingCall, put: PutCellEvent) -> CellReply:
        """Runs a cell."""
        put = self._dispatch.comms.noting(self._worker, cell.session_id, put)

        async def show(event: CellEvent) -> None:
            await put(event)
            pending.note_shown()

        work = partial(self._worker.channel.run_cell, cell, show)
        reply = await self._running(pending).run_cell(work)
        pending.cell_error = reply.error
        self._dispatch.telling.variables_not_sent(pending, reply.unsent.values())
        if cell.session_id is not None:
            self._dispatch.note_names(cell.session_id, reply.names)
        return reply

    def _running(self, pending: PendingCall) -> RunningCall:
        return RunningCall(
            worker=self._worker,
            call=pending,
            grace=self._dispatch.settings.interrupt_grace,
            abandon=self._abandon,
        )

    def _abandon(self) -> None:
        self._dispatch.abandon(self._holder)


class ManualLease:
    """A share that a caller took by hand: it runs one call after the other on its worker."""

    def __init__(self, dispatch: Dispatch, worker: LiveWorker, holder: PendingCall) -> None:
        self._dispatch = dispatch
        self._holder = holder
        self._lease = Lease(dispatch, worker, holder)
        self._worker = worker
        self._turn = anyio.Lock()

    def __repr__(self) -> str:
        return f"<ManualLease on {self.worker_id}>"

    @property
    def worker_id(self) -> WorkerId:
        """The worker."""
        return self._worker.worker_id

    async def call(self, call: ToolCall, *, timeout: float | None) -> ToolResult:
        """Runs a tool, as `Pool.call` does."""
        async with self._entered(call, timeout) as pending:
            return await self._lease.call(call, pending)
        raise AssertionError("unreachable")  # mypy: `_entered` might swallow, for all it knows

    async def stream(self, call: ToolCall, put: PutChunk, *, timeout: float | None) -> None:
        """Runs a streaming tool, as `Pool.stream` does."""
        async with self._entered(call, timeout) as pending:
            await self._lease.stream(call, pending, put)

    def place_of(self, call_id: CallId) -> CallPlace | None:
        """Tells, in any thread, where a call is; None: it waits for its turn here, or is over."""
        return place_of(self._dispatch, call_id)

    @asynccontextmanager
    async def _entered(
        self, call: ToolCall | CellCall, timeout: float | None
    ) -> AsyncIterator[PendingCall]:
        """Lets a call be seen, interrupted and cancelled like any other while it runs."""
        async with self._turn:
            pending = PendingCall.of(call, timeout)
            pending.accept(self.worker_id)
            self._dispatch.calls[call.call_id] = self._holder.leased = pending
            error: BaseException | None = None
            self._dispatch.telling.call_submitted(pending)
            self._dispatch.telling.call_granted(pending)
            try:
                yield pending
            except LostError as lost:
                error = final_error(pending, lost.loss, None)
                raise error from None
            except BaseException as raised:
                error = raised
                raise
            finally:
                self._dispatch.telling.call_ended(pending, error)
                self._holder.leased = None
                del self._dispatch.calls[call.call_id]
                leave_trace(pending, self._dispatch.settings.name, error)
                self._dispatch.wake()
