"""The pool's way to a worker of the original's: plain JSON over TCP, without a token or cells."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import cast

import anyio
import grpc.aio

from snakepit_nb.calls import (
    CellCall,
    CellReply,
    CommDelivery,
    ToolCall,
    ToolChunk,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.errors import UsageError, WorkerError
from snakepit_nb.identifiers import CORRELATION_HEADER, CallId, SessionId, WorkerId
from snakepit_nb.wire.failures import decode_failure
from snakepit_nb.wire.function_calls import RESERVED_PREFIX
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.messages import read_result
from snakepit_nb.wire.plain_messages import read_plain_chunk, write_plain_call
from snakepit_nb.wire.unary import answer_of

from .channel import PutCellEvent
from .grpc_channel import METADATA_BYTES, GrpcChannel
from .translated import Translated, read_message
from .wire_sessions import KnownSessions, WireSessions

MESSAGE_BYTES = 100 * 1024 * 1024
"""The original's own limit."""
NO_TOOL = f"{RESERVED_PREFIX}tells-its-tools"
TOOLS_SECONDS = 30.0
"""After so long the worker serves, whether its tools are known or not."""
ONLY_TOOLS = (
    "The workers of this pool run tools only, neither cells nor functions: --worker-command has "
    "started another program than ours."
)


@asynccontextmanager
async def open_original_channel(
    *, address: str, worker_id: WorkerId, known: KnownSessions
) -> AsyncIterator["OriginalChannel"]:
    """Opens the way to one worker; `known` has the sessions of which it was told."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.enable_retries", 0),
    ]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        with known.of_worker(worker_id) as sessions:
            opened = OriginalChannel(channel, worker_id, sessions)
            try:
                yield opened
            finally:
                opened.close()


class OriginalChannel(GrpcChannel):
    """One worker's tools. It knows no interrupt: a call that is left goes on in the worker."""

    def __init__(
        self, channel: grpc.aio.Channel, worker_id: WorkerId, sessions: WireSessions
    ) -> None:
        super().__init__(channel, token="")
        self._sessions = sessions
        self._own = SessionId(f"worker-{worker_id}")
        """Of the calls that belong to no session of a user."""
        self._left: dict[CallId, anyio.Event] = {}

    async def tools(self) -> tuple[ToolSpec, ...]:
        """Opens the worker's own session, and lets it make its tools known to the bridge.

        A worker that was never told of a session does not notice that its host is gone; and it
        tells its tools when it is called for the first time, be it in vain.
        """
        self._sessions.admit(self._own)
        request = bridge.InitializeSessionRequest(session_id=self._own)
        await self._unary(self._bridge.InitializeSession, request, None)
        in_vain = bridge.ExecuteToolRequest(session_id=self._own, tool_name=NO_TOOL)
        with anyio.move_on_after(TOOLS_SECONDS), suppress(WorkerError):
            await self._unary(self._bridge.ExecuteTool, in_vain, None)
        return self._sessions.tools

    async def call(self, call: ToolCall) -> ToolResult:
        """Runs a tool."""
        request = await self._written(call, stream=False)
        with Translated(self, call.correlation_id), self._sessions.using(request.session_id):
            rpc = self._bridge.ExecuteTool(request, metadata=self._headers(call))
            response = await answer_of(rpc, leave=lambda: self._leave_alone(call.call_id, rpc))
        if not response.success:
            raise decode_failure(response.error_message, correlation_id=call.correlation_id)
        return read_result(response)

    async def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        """Runs a streaming tool. Cancelled, the worker stops it at its next item."""
        request, number = await self._written(call, stream=True), 0
        with Translated(self, call.correlation_id), self._sessions.using(request.session_id):
            rpc = self._bridge.ExecuteStreamingTool(request, metadata=self._headers(call))
            try:
                while (message := await read_message(rpc)) is not grpc.aio.EOF:
                    chunk = cast("bridge.ToolChunk", message)
                    if chunk.data or not chunk.is_final:
                        number += 1
                        yield read_plain_chunk(chunk, number)
                    if chunk.is_final:
                        end = ToolChunk(number=number + 1, data=None, is_final=True)
                        yield replace(end, metadata=dict(chunk.metadata))
            finally:
                rpc.cancel()

    async def run_cell(self, cell: CellCall, put: PutCellEvent) -> CellReply:  # noqa: ARG002 (nothing is put out)
        """Refuses it.

        Raises:
            UsageError: always.
        """
        raise UsageError(ONLY_TOOLS, correlation_id=cell.correlation_id)

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when a tool that nobody waits for has ended by itself."""
        ended = self._left.get(call_id)
        if ended is not None:
            await ended.wait()

    async def end_session(self, session_id: SessionId) -> int:
        """Lets the worker end its session, which ends its heartbeats for that."""
        if session_id not in self._sessions:
            return 0  # it was never told of it
        freed = await super().end_session(session_id)
        self._sessions.forget(session_id)
        return freed

    async def _written(self, call: ToolCall, *, stream: bool) -> bridge.ExecuteToolRequest:
        if call.tool_name.startswith(RESERVED_PREFIX):
            raise UsageError(ONLY_TOOLS, correlation_id=call.correlation_id)
        session_id = call.session_id or self._own
        request = write_plain_call(call, session_id, stream=stream)
        self._sessions.admit(session_id)
        for unused in self._sessions.too_many():
            await self.end_session(unused)
        return request

    def _leave_alone(
        self,
        call_id: CallId,
        rpc: "grpc.aio.UnaryUnaryCall[bridge.ExecuteToolRequest, bridge.ExecuteToolResponse]",
    ) -> None:
        """Keeps a call whose caller is gone: its answer tells when the tool has ended.

        Cancelled, it would tell nothing, and the tool would go on all the same.
        """
        ended = self._left[call_id] = anyio.Event()

        def note(_: object) -> None:
            del self._left[call_id]
            ended.set()

        rpc.add_done_callback(note)

    def _headers(self, call: ToolCall | CellCall | CommDelivery | None) -> grpc.aio.Metadata:
        if call is None:
            return grpc.aio.Metadata()
        correlation = (CORRELATION_HEADER, call.correlation_id)
        return grpc.aio.Metadata(correlation, *call.origin.headers)
