"""The worker's end of `snakepit.cells.v1.CellService`: one stream for each cell."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias

import anyio
import grpc.aio

from snakepit_nb.calls import CellCall, CellError, CellEvent, CellReply, StreamText
from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.cell_messages import read_cell, read_inputs, write_event, write_reply
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.generated import snakepit_cells_pb2_grpc

from .context import CallContext, serving
from .main_thread import MainThread
from .outbox import Outbox
from .tool_service import correlation_header

COALESCE_SECONDS = 0.03  # what comes faster is sent together
OUTBOX_CHARACTERS = 4 * 1024 * 1024
LONGEST_TEXT = 512 * 1024  # characters in one message

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


class CellService(snakepit_cells_pb2_grpc.CellServiceServicer):
    """Runs cells on the main thread. IPython is imported by the first one."""

    def __init__(self, main_thread: MainThread) -> None:
        self._main_thread = main_thread
        self._host: Any = None

    async def RunCell(  # type: ignore[override]
        self, requests: AsyncIterator[cells.CellInput], context: Context
    ) -> None:
        """Runs one cell and sends what it shows, then its reply."""
        first = await anext(requests)
        cell = read_cell(first.start, correlation_header(context))
        outbox: Outbox[CellEvent] = Outbox(self._main_thread.call_serving, limit=OUTBOX_CHARACTERS)
        sent = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, requests, cell.call_id)
            tasks.start_soon(_send_events, outbox, context, sent)
            try:
                reply = await self._run(cell, partial(read_inputs, first.start), outbox)
            finally:
                outbox.close()
            await sent.wait()
            tasks.cancel_scope.cancel()  # nothing that comes in now is about this cell
        await context.write(write_reply(reply))

    async def WaitStopped(
        self, request: cells.WaitStoppedRequest, _: Context
    ) -> cells.WaitStoppedResponse:
        """Answers when the main thread does not run the given call any more."""
        await self._main_thread.wait_ended(CallId(request.call_id))
        return cells.WaitStoppedResponse()

    async def _run(
        self, cell: CellCall, inputs: Callable[[], dict[str, object]], outbox: Outbox[CellEvent]
    ) -> CellReply:
        context = CallContext(
            call_id=cell.call_id,
            correlation_id=cell.correlation_id,
            session_id=cell.session_id,
        )

        def put(event: CellEvent) -> None:
            outbox.put(event, len(event.text) if isinstance(event, StreamText) else 1)

        async def run_here() -> CellReply:
            with serving(context):
                reply: CellReply = await self._cell_host().run(cell, inputs, put)
                return reply

        try:
            return await self._main_thread.run(cell.call_id, run_here)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            lines = traceback.format_exception(error)
            return CellReply(
                execution_count=cell.execution_count,
                error=CellError(
                    name=type(error).__name__, value=str(error), traceback=tuple(lines)
                ),
            )

    def _cell_host(self) -> Any:  # noqa: ANN401 (its class brings IPython)
        if self._host is None:
            from .cells.cell_host import CellHost  # noqa: PLC0415 (only cells need IPython)

            self._host = CellHost(self._main_thread)
        return self._host

    async def _listen(self, requests: AsyncIterator[cells.CellInput], call_id: CallId) -> None:
        async for request in requests:
            if request.WhichOneof("input") == "interrupt":
                self._main_thread.interrupt(call_id)


async def _send_events(outbox: Outbox[CellEvent], context: Context, sent: anyio.Event) -> None:
    try:
        while await outbox.wait_filled():
            with anyio.move_on_after(COALESCE_SECONDS):
                await outbox.wait_closed()
            for event in _joined(outbox.take_now()):
                await context.write(write_event(event))
    finally:
        outbox.close()  # where the reader is gone, nobody shall wait for room
        sent.set()


def _joined(events: list[CellEvent]) -> Iterator[CellEvent]:
    """Joins text with the text of the same stream that follows it."""
    for stream, group in groupby(events, key=_stream_of):
        if stream is None:
            yield from group
            continue
        text = "".join(event.text for event in group if isinstance(event, StreamText))
        for begin in range(0, len(text), LONGEST_TEXT):
            yield StreamText(name=stream, text=text[begin : begin + LONGEST_TEXT])


def _stream_of(event: CellEvent) -> str | None:
    return event.name if isinstance(event, StreamText) else None
