"""The bridge over gRPC: what workers and other programs ask, in the seed's messages."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.errors import (
    SessionQuotaError,
    SnakepitError,
    UsageError,
)
from snakepit_nb.identifiers import (
    CORRELATION_HEADER,
    CORRELATION_KEY,
    SHOWN_HEADER,
    CorrelationId,
    SessionId,
    WorkerId,
)
from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.telemetry.correlation import adopted_correlation_id
from snakepit_nb.telemetry.ids import TRACE_HEADER
from snakepit_nb.telemetry.markers import plain_form
from snakepit_nb.wire.answers import Answers
from snakepit_nb.wire.event_messages import read_control, write_told
from snakepit_nb.wire.gate import Gate, token_of
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.host_messages import (
    HostCall,
    read_host_call,
    write_host_failure,
    write_host_result,
)
from snakepit_nb.wire.messages import read_call, read_metadata, read_tool, write_tool

from . import host_calls
from .bridge import Bridge
from .event_feed import feed_events
from .forwarding import (
    SYNTHETIC,
    SYNTHETIC_KEY,
    Forwarding,
    timeout_of,
)
from .statuses import Context, UnsentError, abort, failure
from .tool_registry import LocalTool, RemoteTool

STOP_SECONDS = 1.0


@asynccontextmanager
async def open_listener(
    service: snakepit_bridge_pb2_grpc.BridgeServiceServicer,
    *,
    admits: Callable[[str], bool],
    address: str,
    kind: grpc.LocalConnectionType,
    message_bytes: int,
) -> AsyncIterator[str]:
    """Serves whoever brings a token that is admitted, until the `async with` ends.

    Yields: the address, with the port that the system has chosen.
    """
    gate: Any = Gate(admits, "This bridge serves its own pool's workers, and who has its token.")
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(service, gate)
    server = grpc.aio.server(
        handlers=[gate],
        options=[
            ("grpc.max_receive_message_length", message_bytes),
            ("grpc.max_send_message_length", message_bytes),
            ("grpc.so_reuseport", 0),
        ],
    )
    port = server.add_secure_port(address, grpc.local_server_credentials(kind))
    await server.start()
    try:
        is_tcp = kind is grpc.LocalConnectionType.LOCAL_TCP
        yield f"{address.rpartition(':')[0]}:{port}" if is_tcp else address
    finally:
        await server.stop(STOP_SECONDS)


class BridgeService(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    """Answers for one bridge. `worker_of` tells which worker a token is of; None: another's."""

    def __init__(self, bridge: Bridge, worker_of: Callable[[str], WorkerId | None]) -> None:
        self._bridge = bridge
        self._forwarding = Forwarding(bridge)
        self._worker_of = worker_of

    async def Ping(self, request: bridge.PingRequest, _: Context) -> bridge.PingResponse:
        """Answers."""
        return bridge.PingResponse(message=request.message, server_time=_now())

    # Sessions.

    async def InitializeSession(
        self, request: bridge.InitializeSessionRequest, _: Context
    ) -> bridge.InitializeSessionResponse:
        """Opens a session, and tells what tools there are in it. Again is harmless."""
        session_id = SessionId(request.session_id)
        try:
            self._bridge.open_session(session_id, read_metadata(request.metadata))
        except (UsageError, SessionQuotaError) as error:
            return bridge.InitializeSessionResponse(success=False, error_message=error.message)
        tools = self._bridge.tools_in(session_id)
        return bridge.InitializeSessionResponse(
            success=True, available_tools={spec.name: write_tool(spec) for spec in tools}
        )

    async def CleanupSession(
        self, request: bridge.CleanupSessionRequest, _: Context
    ) -> bridge.CleanupSessionResponse:
        """Lets a session go, and tells how much that was."""
        freed = await self._bridge.end_session(SessionId(request.session_id))
        return bridge.CleanupSessionResponse(success=True, resources_cleaned=freed)

    async def GetSession(
        self, request: bridge.GetSessionRequest, context: Context
    ) -> bridge.GetSessionResponse:
        """Tells what is known of a session."""
        session_id = SessionId(request.session_id)
        known = self._bridge.use_session(session_id)
        if known is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no session {session_id!r}.")
        created_at = Timestamp()
        created_at.FromDatetime(known.created_at)
        return bridge.GetSessionResponse(
            session_id=session_id,
            metadata=known.metadata,
            created_at=created_at,
            tool_count=len(self._bridge.registry.tools_of(session_id)),
        )

    async def Heartbeat(
        self, request: bridge.HeartbeatRequest, _: Context
    ) -> bridge.HeartbeatResponse:
        """Lets a session live on, and tells whether it is there."""
        is_known = self._bridge.knows_session(SessionId(request.session_id))
        return bridge.HeartbeatResponse(server_time=_now(), session_valid=is_known)

    # Tools of workers.

    async def RegisterTools(
        self, request: bridge.RegisterToolsRequest, context: Context
    ) -> bridge.RegisterToolsResponse:
        """Gives a session tools that live in a worker: all of them, or none."""
        worker_id = self._worker(context) or WorkerId(request.worker_id)
        session_id = SessionId(request.session_id)
        tools = [
            RemoteTool(
                spec=read_tool(spec_of(tool)),
                worker_id=worker_id,
                metadata=read_metadata(tool.metadata),
            )
            for tool in request.tools
        ]
        try:
            self._bridge.open_session(session_id, {})
            self._bridge.registry.register(session_id, tools)
        except (UsageError, SessionQuotaError) as error:
            return bridge.RegisterToolsResponse(success=False, error_message=error.message)
        names = [tool.spec.name.strip() for tool in tools]
        return bridge.RegisterToolsResponse(
            success=True, tool_ids={name: f"{session_id}/{name}" for name in names}
        )

    # Functions of the notebook.

    async def GetExposedElixirTools(
        self, request: bridge.GetExposedElixirToolsRequest, _: Context
    ) -> bridge.GetExposedElixirToolsResponse:
        """Tells which functions of the notebook there are."""
        tools = self._bridge.host_calls.offered(SessionId(request.session_id))
        written = []
        for tool in tools:
            message = write_tool(tool.spec)
            message.metadata.update(tool.metadata)
            written.append(message)
        return bridge.GetExposedElixirToolsResponse(tools=written)

    async def ExecuteElixirTool(
        self, request: bridge.ExecuteElixirToolRequest, context: Context
    ) -> bridge.ExecuteElixirToolResponse:
        """Runs a function of the notebook. What it raises is told in the response."""
        headers = _headers(context)
        correlation_id = _correlation_id(headers, request.metadata)
        try:
            parent, shown = headers.get(TRACE_HEADER, ""), int(headers.get(SHOWN_HEADER, "0"))
            call = read_host_call(request, correlation_id, parent, shown)
            worker_id = self._worker(context)
            return await self._bridge.host_calls.run(call, worker_id, write_host_result)
        except host_calls.GivenUpError as error:
            await context.abort(grpc.StatusCode.CANCELLED, error.message)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            return write_host_failure(error, request.tool_name, hide_file=host_calls.__file__)
        raise AssertionError("unreachable")  # mypy: `abort` raises

    # Tools, for other programs.

    async def ExecuteTool(
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> bridge.ExecuteToolResponse:
        """Runs a tool of a worker, or a function. What it raises is told in the response."""
        try:
            call, timeout = _read_call(request, context)
            tool = self._forwarding.find(SessionId(request.session_id), request.tool_name)
        except SnakepitError as error:
            await abort(context, error, request.tool_name)
        answers = Answers(request, plain_form)
        try:
            if isinstance(tool, LocalTool):
                return await self._run_here(call, answers)
            ours = self._forwarding.prepared(call, tool, _headers(context).get(TRACE_HEADER, ""))
            return answers.result(await self._forwarding.call(ours, timeout))
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            return bridge.ExecuteToolResponse(
                success=False, error_message=failure(error, request.tool_name)
            )

    async def ExecuteStreamingTool(  # type: ignore[override]  # it writes
        self, request: bridge.ExecuteToolRequest, context: Context
    ) -> None:
        """Streams a tool of a worker. A reader that goes stops it; what it raises ends it."""
        answers = Answers(request, plain_form)

        async def put(chunk: ToolChunk) -> None:
            message = answers.chunk(chunk)
            if SYNTHETIC_KEY in chunk.metadata:
                message.chunk_id = f"{SYNTHETIC}-{chunk.number}"
            try:
                await context.write(message)
            except Exception as error:
                raise UnsentError(f"A chunk could not be sent: {error}") from error

        try:
            call, timeout = _read_call(request, context)
            session_id = SessionId(request.session_id)
            tool = self._forwarding.find_streaming(session_id, request.tool_name)
            ours = self._forwarding.prepared(call, tool, _headers(context).get(TRACE_HEADER, ""))
            await self._forwarding.stream(ours, put, timeout)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            await abort(context, error, request.tool_name)

    async def StreamTelemetry(  # type: ignore[override]  # it writes
        self, requests: AsyncIterator[bridge.TelemetryControl], context: Context
    ) -> None:
        """Tells what happens in the kernel's pools, as the reader wants it told."""
        await context.send_initial_metadata(())  # who asks may wait for it

        async def controls() -> AsyncIterator[Callable[[EventControl], EventControl]]:
            async for message in requests:
                yield partial(read_control, message)

        async def write(event: ToldEvent) -> None:
            await context.write(write_told(event))

        await feed_events(controls(), write)

    async def _run_here(self, call: ToolCall, answers: Answers) -> bridge.ExecuteToolResponse:
        host_call = HostCall(
            tool_name=call.tool_name,
            correlation_id=call.correlation_id,
            session_id=call.session_id,
            keywords=call.parameters,
            metadata=call.metadata,
        )

        def answer(value: object, seconds: float) -> bridge.ExecuteToolResponse:
            return answers.result(ToolResult(value=value, seconds=seconds))

        return await self._bridge.host_calls.run(host_call, None, answer)

    def _worker(self, context: Context) -> WorkerId | None:
        return self._worker_of(token_of(context.invocation_metadata()))


def _read_call(
    request: bridge.ExecuteToolRequest, context: Context
) -> tuple[ToolCall, float | None]:
    correlation_id = _correlation_id(_headers(context), request.metadata)
    timeout = timeout_of(request.metadata, context.time_remaining())
    return read_call(request, correlation_id), timeout


def _headers(context: Context) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}


def _correlation_id(headers: dict[str, str], metadata: Mapping[str, str]) -> CorrelationId:
    return adopted_correlation_id(
        headers.get(CORRELATION_HEADER) or metadata.get(CORRELATION_KEY, "")
    )


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now


def spec_of(tool: bridge.ToolRegistration) -> bridge.ToolSpec:
    """Makes a spec of a registration: another name for the same fields."""
    return bridge.ToolSpec.FromString(tool.SerializeToString())
