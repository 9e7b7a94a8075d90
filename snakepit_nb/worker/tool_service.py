"""The worker's end of `snakepit.bridge.BridgeService`: its tools, called and streamed."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, TypeVar

import anyio
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.identifiers import SessionId
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.telemetry.event_stream import EventStream
from snakepit_nb.telemetry.markers import plain_form
from snakepit_nb.wire.answers import Answers
from snakepit_nb.wire.buffers import Outgoing, read_beside
from snakepit_nb.wire.failures import encode_failure
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.messages import (
    bytes_behind_call,
    call_id_of,
    read_call,
    write_tool,
)

from . import tool_host
from .context import CallContext, serving
from .emitting import executing, process_events
from .event_service import serve_events
from .observed import Observed
from .outbox import Outbox
from .runner import Runner
from .running import CallEndedError, Place
from .sending import Sending
from .tool_host import ToolHost
from .watch import Headers, ServicerContext, Watch

CHUNKS_AHEAD = 64  # how far a tool may run ahead of who reads its stream
BYTES_AHEAD = 64 * 1024 * 1024  # of large chunks
LOOK_SECONDS = 0.005

T = TypeVar("T")


class ToolService(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    """Runs the tools of one host where its runner has room."""

    def __init__(
        self,
        host: ToolHost,
        runner: Runner,
        observed: Observed,
        forget_session: Callable[[SessionId], Awaitable[bool]],
        sending: Sending,
        events: EventStream = process_events,
    ) -> None:
        self._host = host
        self._runner = runner
        self._observed = observed
        self._forget_session = forget_session
        self._sending = sending
        self._events = events

    async def Ping(self, request: bridge.PingRequest, _: ServicerContext) -> bridge.PingResponse:
        """Answers, and so tells that the serving thread is alive."""
        now = Timestamp()
        now.GetCurrentTime()
        return bridge.PingResponse(message=request.message, server_time=now)

    async def InitializeSession(
        self, _request: bridge.InitializeSessionRequest, _: ServicerContext
    ) -> bridge.InitializeSessionResponse:
        """Tells what tools there are."""
        return bridge.InitializeSessionResponse(
            success=True,
            available_tools={spec.name: write_tool(spec) for spec in self._host.specs},
        )

    async def CleanupSession(
        self, request: bridge.CleanupSessionRequest, _: ServicerContext
    ) -> bridge.CleanupSessionResponse:
        """Frees a session's variables once nothing runs."""
        freed = await self._forget_session(SessionId(request.session_id))
        return bridge.CleanupSessionResponse(success=True, resources_cleaned=int(freed))

    async def ExecuteTool(
        self, request: bridge.ExecuteToolRequest, context: ServicerContext
    ) -> bridge.ExecuteToolResponse:
        """Runs a tool. What it raises is told in the response, not as a status."""
        return await self.execute(request, Headers.of(context))

    async def execute(
        self, request: bridge.ExecuteToolRequest, headers: Headers
    ) -> bridge.ExecuteToolResponse:
        """Runs a tool, whose call came by itself or with others."""
        try:
            with self._sending.of(call_id_of(request)) as outgoing:
                call = await self._read_call(request, headers)
                with self._watch(headers, call) as watch:
                    begun = time.monotonic()
                    work = partial(self._host.call, call.tool_name, call.parameters)
                    value = await self._run(call, _context_of(call, watch), work, watch)
                    result = ToolResult(value=value, seconds=time.monotonic() - begun)
                    return await outgoing.written(
                        partial(Answers(request, plain_form).result, result)
                    )
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            return bridge.ExecuteToolResponse(
                success=False, error_message=_failure(error, request.tool_name)
            )

    async def ExecuteStreamingTool(  # type: ignore[override]
        self, request: bridge.ExecuteToolRequest, context: ServicerContext
    ) -> None:
        """Runs a streaming tool, never far ahead of its reader. What it raises ends the stream."""
        try:
            headers = Headers.of(context)
            with self._sending.of(call_id_of(request)) as outgoing:
                call = await self._read_call(request, headers)
                with self._watch(headers, call) as watch:
                    answers, numbers = Answers(request, plain_form), count(1)
                    send = partial(_send_chunk, answers, context, outgoing, numbers)
                    await self._stream(call, watch, send)
                    final = ToolChunk(number=next(numbers), data=None, is_final=True)
                    await context.write(answers.chunk(final))
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            await context.abort(grpc.StatusCode.INTERNAL, _failure(error, request.tool_name))

    async def _read_call(self, request: bridge.ExecuteToolRequest, headers: Headers) -> ToolCall:
        correlation_id = headers.correlation_id(request.metadata)
        read = partial(read_call, request, correlation_id, self._sending.end)
        return await read_beside(read, bytes_behind_call(request))

    def _watch(self, headers: Headers, call: ToolCall) -> Watch:
        what = f"tool {call.tool_name}"
        return headers.watch(what, call.correlation_id, self._observed)

    async def _stream(
        self, call: ToolCall, watch: Watch, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        outbox: Outbox[Any] = Outbox(
            self._runner.call_serving,
            limit=CHUNKS_AHEAD,
            shield=self._runner.uninterrupted,
        )
        serves = _context_of(call, watch)
        put = self._runner.putting(outbox, self._where(call), serves.cancellation)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send_chunks, outbox, send)
            try:
                work = partial(self._host.stream, call.tool_name, call.parameters, put)
                await self._run(call, serves, work, watch)
            except Exception as error:  # noqa: BLE001 (raised once what came before it is sent)
                failure = error
            finally:
                outbox.close()
        if failure is not None:
            raise failure

    async def StreamTelemetry(  # type: ignore[override]  # it writes
        self, requests: AsyncIterator[bridge.TelemetryControl], context: ServicerContext
    ) -> None:
        """Tells what happens in this worker, as the host wants it told."""
        await serve_events(self._events, self._runner.call_serving, requests, context)

    async def _run(
        self, call: ToolCall, serves: CallContext, work: Callable[[], Awaitable[T]], watch: Watch
    ) -> T:
        async def served() -> T:
            with (
                serving(serves),
                watch.code(),
                executing(self._events, call.tool_name, call.session_id),
            ):
                return await work()

        return await self._runner.run(
            serves.call_id, served, where=self._where(call), cancellation=serves.cancellation
        )

    def _where(self, call: ToolCall) -> Place:
        return Place.LOOP if self._host.awaits(call.tool_name) else Place.THREAD


def _context_of(call: ToolCall, watch: Watch) -> CallContext:
    return CallContext(
        # Another host than ours may give no id, and two calls must not share one.
        call_id=call.call_id or new_call_id(),
        correlation_id=call.correlation_id,
        session_id=call.session_id,
        metadata=call.metadata,
        traceparent=watch.traceparent,
    )


async def _send_chunks(outbox: Outbox[Any], send: Callable[[Any], Awaitable[None]]) -> None:
    try:
        while items := await outbox.take():
            for item in items:
                await send(item)
    finally:
        outbox.close()


async def _send_chunk(
    answers: Answers,
    context: ServicerContext,
    outgoing: Outgoing,
    numbers: Iterator[int],
    item: object,
) -> None:
    chunk = ToolChunk(number=next(numbers), data=item)
    await context.write(await outgoing.written(partial(answers.chunk, chunk)))
    # gRPC's own bounds count the references only; and nobody tells of a file that was taken.
    while outgoing.untaken() > BYTES_AHEAD:  # noqa: ASYNC110
        await anyio.sleep(LOOK_SECONDS)


def _failure(error: BaseException, tool_name: str) -> str:
    if isinstance(error, CallEndedError) and error.__cause__ is not None:
        error = error.__cause__
    return encode_failure(error, tool_name=tool_name, hide_file=tool_host.__file__)
