"""The pool's way to one worker over gRPC."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar, cast

import anyio
import grpc
import grpc.aio

from snakepit_nb.calls import (
    CellCall,
    CellReply,
    ToolCall,
    ToolChunk,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.errors import WorkerCrashedError
from snakepit_nb.identifiers import (
    CORRELATION_HEADER,
    TOKEN_HEADER,
    CallId,
    CorrelationId,
    SessionId,
)
from snakepit_nb.wire.cell_messages import read_output, write_cell
from snakepit_nb.wire.failures import decode_failure, decode_status
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc, snakepit_cells_pb2_grpc
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.messages import read_chunk, read_result, read_tool, write_call

from .channel import PutCellEvent

METADATA_BYTES = 1024 * 1024  # a stream's failure, with its traceback, travels there

Request = TypeVar("Request")
Response = TypeVar("Response")


@asynccontextmanager
async def open_grpc_channel(
    *, address: str, token: str, message_bytes: int
) -> AsyncIterator["GrpcChannel"]:
    """Opens the way to one worker. Its next incarnation gets another one: none reconnects."""
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    options = [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        ("grpc.max_metadata_size", METADATA_BYTES),
    ]
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        opened = GrpcChannel(channel, token)
        try:
            yield opened
        finally:
            opened.is_closed = True


class GrpcChannel:
    """One worker's tools and cells, over one gRPC channel."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._bridge = snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)
        self._cells = snakepit_cells_pb2_grpc.CellServiceStub(channel)
        self._token = (TOKEN_HEADER, token)
        self.is_closed = False

    async def tools(self) -> tuple[ToolSpec, ...]:
        """Returns what the worker offers."""
        response = await self._unary(
            self._bridge.InitializeSession, bridge.InitializeSessionRequest(), None
        )
        return tuple(read_tool(spec) for _, spec in sorted(response.available_tools.items()))

    async def call(self, call: ToolCall) -> ToolResult:
        """Runs a tool."""
        request = write_call(call, stream=False)
        response = await self._unary(self._bridge.ExecuteTool, request, call.correlation_id)
        if not response.success:
            raise decode_failure(response.error_message, correlation_id=call.correlation_id)
        return read_result(response)

    async def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        """Runs a streaming tool."""
        request = write_call(call, stream=True)
        with self._translated(call.correlation_id):
            rpc = self._bridge.ExecuteStreamingTool(
                request, metadata=self._headers(call.correlation_id)
            )
            try:
                async for chunk in rpc:
                    yield read_chunk(chunk)
            finally:
                rpc.cancel()  # a stream that nobody cancels is never let go

    async def run_cell(self, cell: CellCall, put: PutCellEvent) -> CellReply:
        """Runs a cell."""
        request = write_cell(cell)
        with self._translated(cell.correlation_id):
            rpc = self._cells.RunCell(request, metadata=self._headers(cell.correlation_id))
            try:
                while (output := await rpc.read()) is not grpc.aio.EOF:
                    event = read_output(cast("cells.CellOutput", output))
                    if isinstance(event, CellReply):
                        return event
                    await put(event)
            finally:
                rpc.cancel()
        raise WorkerCrashedError(
            "The worker ended the cell without a reply.", correlation_id=cell.correlation_id
        )

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs."""
        request = cells.InterruptRequest(call_id=call_id)
        await self._unary(self._cells.Interrupt, request, None)

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when the worker really runs the call no more."""
        request = cells.WaitStoppedRequest(call_id=call_id)
        await self._unary(self._cells.WaitStopped, request, None)

    async def loads(self) -> AsyncGenerator[int]:
        """Yields how many calls the worker itself says it holds."""
        with self._translated(None):
            rpc = self._cells.Observe(cells.ObserveRequest(), metadata=self._headers(None))
            try:
                async for observation in rpc:
                    yield observation.load
            finally:
                rpc.cancel()

    async def end_session(self, session_id: SessionId) -> int:
        """Frees what the worker holds of a session."""
        request = bridge.CleanupSessionRequest(session_id=session_id)
        return (await self._unary(self._bridge.CleanupSession, request, None)).resources_cleaned

    async def _unary(
        self,
        method: "Callable[..., grpc.aio.UnaryUnaryCall[Request, Response]]",
        request: Request,
        correlation_id: CorrelationId | None,
    ) -> Response:
        """Makes one unary call.

        A plain `await` of one breaks inside an anyio cancel scope: gRPC swallows the scope's
        message. So anyio waits, and gRPC is awaited only when it has ended.
        """
        ended = anyio.Event()
        with self._translated(correlation_id):
            rpc = method(request, metadata=self._headers(correlation_id))
            rpc.add_done_callback(lambda _: ended.set())
            try:
                await ended.wait()
            except BaseException:
                rpc.cancel()
                raise
            return await rpc

    def _headers(self, correlation_id: CorrelationId | None) -> tuple[tuple[str, str], ...]:
        if correlation_id is None:
            return (self._token,)
        return (self._token, (CORRELATION_HEADER, correlation_id))

    @contextmanager
    def _translated(self, correlation_id: CorrelationId | None) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise decode_status(
                error.code(), error.details() or "", correlation_id=correlation_id
            ) from None
        except grpc.aio.UsageError as error:  # the channel was closed before the call
            raise WorkerCrashedError(str(error), correlation_id=correlation_id) from None
        except anyio.get_cancelled_exc_class():
            if not self.is_closed:
                raise
            # It was closed under the call, which gRPC tells as if the caller had been cancelled.
            raise WorkerCrashedError("The worker is gone.", correlation_id=correlation_id) from None
