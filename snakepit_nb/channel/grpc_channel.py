"""The pool's way to one worker over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar, cast

import grpc
import grpc.aio

from snakepit_nb.calls import (
    Beside,
    CellCall,
    CellEvent,
    CellReply,
    CodePosition,
    CommDelivery,
    Completion,
    InputReply,
    MimeBundle,
    ToolCall,
    ToolChunk,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.errors import SnakepitError, ValueEncodingError, WorkerCrashedError
from snakepit_nb.identifiers import (
    CORRELATION_HEADER,
    TOKEN_HEADER,
    CallId,
    SessionId,
)
from snakepit_nb.observations import EventControl, Observation, ToldEvent
from snakepit_nb.wire.beside_messages import read_said
from snakepit_nb.wire.buffers import BufferEnd, BufferSpace, Side, read_beside
from snakepit_nb.wire.cell_messages import bytes_behind_reply, read_event, read_output, write_cell
from snakepit_nb.wire.code_messages import read_completions, read_inspection, write_position
from snakepit_nb.wire.conversation_messages import write_delivery, write_input_reply
from snakepit_nb.wire.event_messages import read_told, write_controls
from snakepit_nb.wire.failures import decode_failure
from snakepit_nb.wire.frames import bytes_behind
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc, snakepit_cells_pb2_grpc
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.messages import read_chunk, read_result, read_tool, write_call
from snakepit_nb.wire.observation_messages import read_observation
from snakepit_nb.wire.unary import answer_of

from .bundles import MANY_CALLS, Bundles, small_bytes
from .channel import EventTap, PutCellEvent
from .exchange import Rpc
from .translated import Translated, read_message

NO_BUFFERS = BufferSpace()
WINDOW_BYTES = 256 * 1024
"""How much of a stream may be under way, so that a tool does not run far ahead of its reader."""
MESSAGE_BYTES = 64 * 1024 * 1024
METADATA_BYTES = 1024 * 1024  # a stream's failure, with its traceback, travels there

Request = TypeVar("Request")
Response = TypeVar("Response")


@asynccontextmanager
async def open_grpc_channel(
    *, address: str, token: str, message_bytes: int, buffers: BufferSpace = NO_BUFFERS
) -> AsyncIterator["GrpcChannel"]:
    """Opens the way to one worker. Its next incarnation gets another one: none reconnects.

    Large buffers go through `buffers`, if there are such.
    """
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    options = [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.enable_retries", 0),  # whether a call may run twice, gRPC does not know
    ]
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        opened = GrpcChannel(channel, token, buffers, message_bytes)
        try:
            yield opened
        finally:
            opened.close()


class GrpcChannel:
    """One worker's tools and cells, over one gRPC channel."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        token: str,
        buffers: BufferSpace = NO_BUFFERS,
        message_bytes: int = MESSAGE_BYTES,
    ) -> None:
        self._bridge = snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)
        self._cells = snakepit_cells_pb2_grpc.CellServiceStub(channel)
        self._token = (TOKEN_HEADER, token)
        self._buffers = BufferEnd(buffers, Side.KERNEL)
        self._bundle_stub = snakepit_cells_pb2_grpc.BundleServiceStub(channel)
        self._bundles = Bundles(self._begin_exchange, self._interrupt_soon)
        self._small_bytes = small_bytes(message_bytes)
        self._under_way = 0  # unary calls of tools
        self._interrupting: dict[CallId, asyncio.Task[None]] = {}
        self.is_closed = False

    def close(self) -> None:
        """Notes that the way ends: nobody waits any more for what was left on it."""
        self.is_closed = True
        for interrupting in self._interrupting.values():
            interrupting.cancel()
        self._bundles.close()

    async def ping(self) -> None:
        """Returns when the worker's interpreter has answered."""
        await self._unary(self._bridge.Ping, bridge.PingRequest(), None)

    async def tools(self) -> tuple[ToolSpec, ...]:
        """Returns what the worker offers."""
        response = await self._unary(
            self._bridge.InitializeSession, bridge.InitializeSessionRequest(), None
        )
        return tuple(read_tool(spec) for _, spec in sorted(response.available_tools.items()))

    async def call(self, call: ToolCall) -> ToolResult:
        """Runs a tool."""
        with self._buffers.outgoing() as outgoing:
            request = await outgoing.written(partial(write_call, call, stream=False))
            response = await self._execute(request, call)
        if not response.success:
            raise decode_failure(response.error_message, correlation_id=call.correlation_id)
        read = partial(read_result, response, self._buffers)
        return await read_beside(read, bytes_behind(response.result.value))

    async def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        """Runs a streaming tool."""
        with self._buffers.outgoing() as outgoing, Translated(self, call.correlation_id):
            request = await outgoing.written(partial(write_call, call, stream=True))
            rpc = self._bridge.ExecuteStreamingTool(request, metadata=self._headers(call))
            try:
                while (message := await read_message(rpc)) is not grpc.aio.EOF:
                    chunk = cast("bridge.ToolChunk", message)
                    read = partial(read_chunk, chunk, self._buffers)
                    yield await read_beside(read, bytes_behind(chunk.data))
            except ValueEncodingError:
                rpc.cancel()
                await self.wait_stopped(call.call_id)  # so that the worker takes back the rest
                raise
            finally:
                rpc.cancel()  # a stream that nobody cancels is never let go

    async def run_cell(self, cell: CellCall, put: PutCellEvent) -> CellReply:
        """Runs a cell."""
        with self._buffers.outgoing() as outgoing, Translated(self, cell.correlation_id):
            request = await outgoing.written(partial(write_cell, cell))
            rpc = self._cells.RunCell(request, metadata=self._headers(cell))
            try:
                while (output := await read_message(rpc)) is not grpc.aio.EOF:
                    event = await self._read_output(cast("cells.CellOutput", output))
                    if isinstance(event, CellReply):
                        return event
                    await put(event)
            finally:
                rpc.cancel()
        raise WorkerCrashedError(
            "The worker ended the cell without a reply.", correlation_id=cell.correlation_id
        )

    async def complete(self, position: CodePosition) -> tuple[Completion, ...]:
        """Completes code of a session."""
        request = write_position(position)
        return read_completions(await self._unary(self._cells.Complete, request, None))

    async def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells what the name at a place in a session's code means."""
        request = write_position(position)
        return read_inspection(await self._unary(self._cells.Inspect, request, None))

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs."""
        request = cells.InterruptRequest(call_id=call_id)
        await self._unary(self._cells.Interrupt, request, None)

    async def reply_input(self, call_id: CallId, reply: InputReply) -> None:
        """Hands to a cell what it has asked for."""
        await self._unary(self._cells.ReplyInput, write_input_reply(call_id, reply), None)

    async def send_comm(self, delivery: CommDelivery, put: PutCellEvent) -> None:
        """Hands a message to a comm."""
        request = write_delivery(delivery)
        with Translated(self, delivery.correlation_id):
            rpc = self._cells.SendComm(request, metadata=self._headers(delivery))
            try:
                while (output := await read_message(rpc)) is not grpc.aio.EOF:
                    await put(read_event(cast("cells.CellOutput", output)))
            finally:
                rpc.cancel()

    async def beside(self) -> AsyncGenerator[Beside]:
        """Yields what the worker says beside its cells."""
        with Translated(self, None):
            rpc = self._cells.Comms(cells.CommsRequest(), metadata=self._headers(None))
            try:
                while (output := await read_message(rpc)) is not grpc.aio.EOF:
                    yield read_said(cast("cells.CellOutput", output))
            finally:
                rpc.cancel()

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when the worker really runs the call no more."""
        interrupting = self._interrupting.get(call_id)
        if interrupting is not None:  # it may overtake the call, which then never runs
            await asyncio.wait([interrupting])
        request = cells.WaitStoppedRequest(call_id=call_id)
        await self._unary(self._cells.WaitStopped, request, None)

    async def observe(self, *, each_load: bool) -> AsyncGenerator[Observation]:
        """Yields what the worker has seen of its calls."""
        request = cells.ObserveRequest(each_load=each_load)
        with Translated(self, None):
            rpc = self._cells.Observe(request, metadata=self._headers(None))
            try:
                async for message in rpc:
                    yield read_observation(message)
            finally:
                rpc.cancel()

    @asynccontextmanager
    async def events(self) -> AsyncIterator[EventTap]:
        """Attaches to what the worker tells."""
        rpc = self._bridge.StreamTelemetry(metadata=self._headers(None))
        try:
            yield _GrpcEventTap(self, rpc)
        finally:
            rpc.cancel()

    async def end_session(self, session_id: SessionId) -> int:
        """Frees what the worker holds of a session."""
        request = bridge.CleanupSessionRequest(session_id=session_id)
        return (await self._unary(self._bridge.CleanupSession, request, None)).resources_cleaned

    async def _execute(
        self, request: bridge.ExecuteToolRequest, call: ToolCall
    ) -> bridge.ExecuteToolResponse:
        """Runs a tool by an RPC of its own, or by one that it shares with others."""
        self._under_way += 1
        try:
            if request.ByteSize() + call.origin.header_bytes <= self._small_bytes:
                kept = self._bundles.exchange_of(call.correlation_id)
                if kept is not None or self._under_way >= MANY_CALLS:
                    with Translated(self, call.correlation_id):
                        response = await self._bundles.answer(call, request, kept)
                    if response is not None:
                        return response
            return await self._unary(self._bridge.ExecuteTool, request, call)
        finally:
            self._under_way -= 1

    def _begin_exchange(self, headers: Sequence[tuple[str, str]]) -> Rpc:
        return self._bundle_stub.ExecuteTools(metadata=grpc.aio.Metadata(self._token, *headers))

    async def _read_output(self, output: cells.CellOutput) -> CellEvent | CellReply:
        read = partial(read_output, output, self._buffers)
        return await read_beside(read, bytes_behind_reply(output))

    async def _unary(
        self,
        method: "Callable[..., grpc.aio.UnaryUnaryCall[Request, Response]]",
        request: Request,
        call: ToolCall | None,
    ) -> Response:
        """Makes one unary call."""
        with Translated(self, None if call is None else call.correlation_id):
            rpc = method(request, metadata=self._headers(call))
            return await answer_of(rpc, leave=partial(self._leave, rpc, call))

    def _leave(
        self, rpc: "grpc.aio.UnaryUnaryCall[Request, Response]", call: ToolCall | None
    ) -> None:
        """Ends what nobody waits for: a tool by an interrupt, to which the worker replies.

        Of each call that its client cancels, gRPC keeps more than a kilobyte for good.
        """
        if call is None:
            rpc.cancel()
        elif not rpc.done():
            self._interrupt_soon(call.call_id, rpc.cancel)

    def _interrupt_soon(
        self, call_id: CallId, otherwise: Callable[[], object] = lambda: None
    ) -> None:
        """Interrupts a call; does something else where the worker is gone or knows no interrupt."""

        async def interrupt() -> None:
            try:
                await self.interrupt(call_id)
            except SnakepitError:
                otherwise()

        interrupting = self._interrupting[call_id] = asyncio.ensure_future(interrupt())
        interrupting.add_done_callback(lambda _: self._interrupting.pop(call_id, None))

    def _headers(self, call: ToolCall | CellCall | CommDelivery | None) -> grpc.aio.Metadata:
        """Makes a call's headers, of the one class that gRPC does not have to convert."""
        if call is None:
            return grpc.aio.Metadata(self._token)
        correlation = (CORRELATION_HEADER, call.correlation_id)
        return grpc.aio.Metadata(self._token, correlation, *call.origin.headers)


class _GrpcEventTap:
    """One `StreamTelemetry`."""

    def __init__(
        self,
        channel: GrpcChannel,
        rpc: "grpc.aio.StreamStreamCall[bridge.TelemetryControl, bridge.TelemetryEvent]",
    ) -> None:
        self._channel = channel
        self._rpc = rpc

    async def control(self, control: EventControl) -> None:
        """Changes what the worker tells from now on."""
        with Translated(self._channel, None):
            for message in write_controls(control):
                await self._rpc.write(message)

    async def read(self) -> ToldEvent | None:
        """Waits for the next event."""
        with Translated(self._channel, None):
            message = await read_message(self._rpc)
        if message is grpc.aio.EOF:
            return None
        return read_told(cast("bridge.TelemetryEvent", message))
