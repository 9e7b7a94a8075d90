"""The worker's end of `snakepit.bridge.BridgeService`: its tools, called and streamed."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import anyio
import grpc
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.errors import UnsendableResultError, ValueEncodingError
from snakepit_nb.identifiers import CORRELATION_HEADER
from snakepit_nb.wire.failures import encode_failure
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.messages import read_call, write_chunk, write_result, write_tool

from . import tool_host
from .context import CallContext, serving
from .main_thread import MainThread
from .outbox import Outbox
from .tool_host import ToolHost

CHUNKS_AHEAD = 64  # how far a tool may run ahead of who reads its stream

T = TypeVar("T")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


class ToolService(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    """Runs the tools of one host on the main thread."""

    def __init__(self, host: ToolHost, main_thread: MainThread) -> None:
        self._host = host
        self._main_thread = main_thread

    async def Ping(self, request: bridge.PingRequest, _: Context) -> bridge.PingResponse:
        """Answers, and so tells that the serving thread is alive."""
        now = Timestamp()
        now.GetCurrentTime()
        return bridge.PingResponse(message=request.message, server_time=now)

    async def InitializeSession(
        self, _request: bridge.InitializeSessionRequest, _: Context
    ) -> bridge.InitializeSessionResponse:
        """Tells what tools there are."""
        return bridge.InitializeSessionResponse(
            success=True,
            available_tools={spec.name: write_tool(spec) for spec in self._host.specs},
        )

    async def ExecuteTool(
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> bridge.ExecuteToolResponse:
        """Runs a tool. What it raises is told in the response, not as a status."""
        try:
            call = read_call(request, correlation_header(context))
            begun = time.monotonic()
            value = await self._run(call, partial(self._host.call, call.tool_name, call.parameters))
            result = ToolResult(value=value, seconds=time.monotonic() - begun)
            return _write_result(call.tool_name, result)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            return bridge.ExecuteToolResponse(
                success=False, error_message=_failure(error, request.tool_name)
            )

    async def ExecuteStreamingTool(  # type: ignore[override]
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> None:
        """Runs a streaming tool, never far ahead of its reader. What it raises ends the stream."""
        try:
            call = read_call(request, correlation_header(context))
            outbox: Outbox[Any] = Outbox(self._main_thread.call_serving, limit=CHUNKS_AHEAD)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send_chunks, call.tool_name, outbox, context)
                try:
                    work = partial(self._host.stream, call.tool_name, call.parameters, outbox.put)
                    await self._run(call, work)
                finally:
                    outbox.close()
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            await context.abort(grpc.StatusCode.INTERNAL, _failure(error, request.tool_name))

    async def _run(self, call: ToolCall, work: Callable[[], Awaitable[T]]) -> T:
        serves = CallContext(
            call_id=call.call_id,
            correlation_id=call.correlation_id,
            session_id=call.session_id,
            metadata=call.metadata,
        )

        async def served() -> T:
            with serving(serves):
                return await work()

        return await self._main_thread.run(call.call_id, served)


async def _send_chunks(tool_name: str, outbox: Outbox[Any], context: Context) -> None:
    number = 0
    try:
        while items := await outbox.take():
            for item in items:
                number += 1
                await context.write(write_chunk(tool_name, ToolChunk(number=number, data=item)))
        await context.write(
            write_chunk(tool_name, ToolChunk(number=number + 1, data=None, is_final=True))
        )
    finally:
        outbox.close()


def correlation_header(context: Context) -> str:
    """Returns the correlation id that the gRPC header carries, else nothing."""
    for key, value in context.invocation_metadata() or ():
        if key == CORRELATION_HEADER:
            return str(value)
    return ""


def _write_result(tool_name: str, result: ToolResult) -> bridge.ExecuteToolResponse:
    try:
        return write_result(result)
    except ValueEncodingError as error:
        raise UnsendableResultError(f"tool {tool_name!r}: its result: {error.message}") from None


def _failure(error: BaseException, tool_name: str) -> str:
    return encode_failure(error, tool_name=tool_name, hide_file=tool_host.__file__)
