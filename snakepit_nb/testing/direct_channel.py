"""The way to an in-process worker: the same codec as over gRPC, and no line between."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import anyio

from snakepit_nb.calls import (
    Beside,
    CellCall,
    CellReply,
    CodePosition,
    CommDelivery,
    CommMessage,
    Completion,
    InputReply,
    MimeBundle,
    ToolCall,
    ToolChunk,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.channel.channel import EventTap, PutCellEvent
from snakepit_nb.errors import SnakepitError
from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.mailbox import waking_here
from snakepit_nb.observations import EventControl, Observation, ToldEvent
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.telemetry.event_stream import EventReader
from snakepit_nb.wire.cell_messages import (
    read_cell,
    read_inputs,
    read_output,
    write_cell,
    write_event,
    write_reply,
)
from snakepit_nb.wire.code_messages import (
    read_completions,
    read_inspection,
    read_position,
    write_completions,
    write_inspection,
    write_position,
)
from snakepit_nb.wire.conversation_messages import (
    read_delivery,
    read_input_reply,
    write_delivery,
    write_input_reply,
)
from snakepit_nb.wire.event_messages import read_control, read_told, write_controls, write_told
from snakepit_nb.wire.failures import decode_failure, encode_failure
from snakepit_nb.wire.messages import (
    read_call,
    read_chunk,
    read_result,
    read_tool,
    write_call,
    write_chunk,
    write_result,
    write_tool,
)
from snakepit_nb.worker import tool_host
from snakepit_nb.worker.context import CallContext, serving
from snakepit_nb.worker.emitting import executing, telling_to

from .in_process_worker import InProcessWorker, Run
from .plain_cells import cell_error


@asynccontextmanager
async def open_direct_channel(process: WorkerProcess) -> AsyncIterator["DirectChannel"]:
    """Opens the way to a worker of `InProcessLauncher`."""
    if not isinstance(process, InProcessWorker):
        raise TypeError(f"A DirectChannel leads to an InProcessWorker, not to {process!r}.")
    yield DirectChannel(process)


class DirectChannel:
    """The twin of the gRPC channel."""

    def __init__(self, worker: InProcessWorker) -> None:
        self._worker = worker

    async def ping(self) -> None:
        """Returns when the worker has answered."""
        await self._worker.answers.wait()
        self._worker.check_alive()

    async def tools(self) -> tuple[ToolSpec, ...]:
        """Returns what the worker offers."""
        self._worker.check_alive()
        specs = (read_tool(write_tool(spec)) for spec in self._worker.host.specs)
        return tuple(sorted(specs, key=lambda spec: spec.name))

    async def call(self, call: ToolCall) -> ToolResult:
        """Runs a tool."""
        received = read_call(write_call(call, stream=False), call.correlation_id)

        async def work() -> ToolResult:
            host = self._worker.host
            with executing(self._worker.events, received.tool_name, received.session_id):
                value = await host.call(received.tool_name, received.parameters)
            return read_result(write_result(received.tool_name, ToolResult(value=value)))

        run = await self._run(_context_of(received), work)
        if run.error is not None:
            raise _failure(run.error, call)
        return cast("ToolResult", run.value)

    async def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        """Runs a streaming tool."""
        self._worker.check_alive()
        received = read_call(write_call(call, stream=True), call.correlation_id)
        send, receive = anyio.create_memory_object_stream[ToolChunk]()

        async def put(item: object) -> None:
            chunk = write_chunk(received.tool_name, ToolChunk(number=0, data=item))
            await send.send(read_chunk(chunk))

        async def work() -> None:
            name = received.tool_name
            with executing(self._worker.events, name, received.session_id):
                await self._worker.host.stream(name, received.parameters, put)

        run = self._start(_context_of(received), work, send.close)
        number = 0
        try:
            async for chunk in receive:
                number += 1
                yield replace(chunk, number=number)
        finally:
            run.cancel()
            receive.close()
        self._worker.check_alive()
        if run.error is not None:
            raise _failure(run.error, call)
        yield ToolChunk(number=number + 1, data=None, is_final=True)

    async def run_cell(self, cell: CellCall, put: PutCellEvent) -> CellReply:
        """Runs a cell."""
        self._worker.check_alive()
        start = write_cell(cell)
        received = read_cell(start, cell.correlation_id)
        send, receive = anyio.create_memory_object_stream[Any](float("inf"))
        work = partial(
            self._worker.cells.run, received, partial(read_inputs, start), send.send_nowait
        )
        run = self._start(_context_of(received), work, send.close, cell.session_id)
        try:
            async for event in receive:
                await put(cast("Any", read_output(write_event(event))))
        finally:
            run.cancel()
            receive.close()
        self._worker.check_alive()
        reply = run.value
        if run.error is not None:
            reply = CellReply(execution_count=cell.execution_count, error=cell_error(run.error))
        return cast("CellReply", read_output(write_reply(reply, trust_results=cell.trust_results)))

    async def complete(self, position: CodePosition) -> tuple[Completion, ...]:
        """Completes code of a session."""
        self._worker.check_alive()
        asked = read_position(write_position(position))
        return read_completions(write_completions(self._worker.cells.complete(asked)))

    async def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells what the name at a place in a session's code means."""
        self._worker.check_alive()
        asked = read_position(write_position(position))
        return read_inspection(write_inspection(self._worker.cells.inspect(asked)))

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs."""
        self._worker.check_alive()
        self._worker.interrupt(call_id)

    async def reply_input(self, call_id: CallId, reply: InputReply) -> None:
        """Drops it: a cell here cannot ask, since it would block the loop that is to answer."""
        self._worker.check_alive()
        read_input_reply(write_input_reply(call_id, reply))

    async def send_comm(self, delivery: CommDelivery, put: PutCellEvent) -> None:  # noqa: ARG002 (the seam's)
        """Finds nobody: code here has no comms."""
        self._worker.check_alive()
        read_delivery(write_delivery(delivery), delivery.correlation_id)

    async def beside(self) -> AsyncGenerator[Beside]:
        """Yields nothing until the worker is gone."""
        await self._worker.wait()
        self._worker.check_alive()
        yield CommMessage(kind="comm_close")

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when the worker really runs the call no more."""
        self._worker.check_alive()
        await self._worker.wait_stopped(call_id)

    async def observe(self, *, each_load: bool) -> AsyncGenerator[Observation]:
        """Yields the load; spans and log lines are seen in this process anyway."""
        load = -1
        while True:
            load = await self._worker.wait_load(load)
            if each_load:
                yield Observation(load=load)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[EventTap]:
        """Attaches to what the worker tells."""
        with self._worker.events.attached(waking_here()) as reader:
            yield _DirectEventTap(self._worker, reader)

    async def end_session(self, session_id: SessionId) -> int:
        """Frees what the worker holds of a session, after what it runs now."""

        async def work() -> bool:
            return self._worker.cells.forget(session_id)

        run = self._worker.start(new_call_id(), work, session_id=session_id)
        await self._settled(run)
        self._worker.end_session(session_id)
        return int(run.value)

    async def _run(self, context: CallContext, work: Callable[[], Awaitable[object]]) -> Run:
        run = self._start(context, work)
        await self._settled(run)
        return run

    def _start(
        self,
        context: CallContext,
        work: Callable[[], Awaitable[object]],
        on_settled: Callable[[], object] = lambda: None,
        session_id: SessionId | None = None,
    ) -> Run:
        """Starts work as a part of its call; a cell waits for the session's cells before it."""

        async def served() -> object:
            with serving(context), telling_to(self._worker.events):
                return await work()

        return self._worker.start(
            context.call_id,
            served,
            on_settled,
            session_id=session_id,
            cancellation=context.cancellation,
        )

    async def _settled(self, run: Run) -> None:
        try:
            await run.settled.wait()
        finally:
            run.cancel()
        self._worker.check_alive()


class _DirectEventTap:
    """The twin of gRPC's."""

    def __init__(self, worker: InProcessWorker, reader: EventReader) -> None:
        self._worker = worker
        self._reader = reader
        self._read: deque[ToldEvent] = deque()

    async def control(self, control: EventControl) -> None:
        """Changes what the worker tells from now on."""
        self._worker.check_alive()
        events = self._worker.events
        for message in write_controls(control):
            events.apply(read_control(message, events.control))

    async def read(self) -> ToldEvent | None:
        """Waits for the next event."""
        if not self._read:
            self._read.extend(await self._reader.take())
        if not self._read:
            self._worker.check_alive()
            return None
        return read_told(write_told(self._read.popleft()))


def _context_of(call: ToolCall | CellCall) -> CallContext:
    return CallContext(
        call_id=call.call_id,
        correlation_id=call.correlation_id,
        session_id=call.session_id,
        metadata=call.metadata if isinstance(call, ToolCall) else {},
    )


def _failure(error: BaseException, call: ToolCall) -> SnakepitError:
    text = encode_failure(error, tool_name=call.tool_name, hide_file=tool_host.__file__)
    return decode_failure(text, correlation_id=call.correlation_id)
