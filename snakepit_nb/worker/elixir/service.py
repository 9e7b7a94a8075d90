"""The tools of a driven worker: as of any other, but its sessions are the host's."""

import logging
import os
from collections.abc import Callable
from typing import cast

import grpc.aio

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import CORRELATION_HEADER, SessionId
from snakepit_nb.wire.buffers import BufferEnd, BufferSpace, Side
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.messages import write_tool
from snakepit_nb.wire.plain_messages import plain_parameter
from snakepit_nb.wire.unary import Request, Response, answer_of
from snakepit_nb.worker.observed import Observed
from snakepit_nb.worker.runner import Runner
from snakepit_nb.worker.sending import Sending
from snakepit_nb.worker.tool_host import ToolHost
from snakepit_nb.worker.tool_service import ToolService
from snakepit_nb.worker.watch import ServicerContext

from .host import ANSWER_SECONDS, ElixirHost

log = logging.getLogger(__name__)

STREAMS_KEY = "supports_streaming"
"""Where the host looks whether a tool streams, beside the field that says so."""
DUPLICATE = "duplicate_tool"
"""In what a host says of tools that the session has already."""


class DrivenToolService(ToolService):
    """Serves the host that started this worker."""

    def __init__(
        self, elixir: ElixirHost, host: ToolHost, runner: Runner, observed: Observed
    ) -> None:
        sending = Sending(BufferEnd(BufferSpace(), Side.WORKER))  # nobody shares memory with us
        super().__init__(host, runner, observed, _keeps_nothing, sending)
        self._elixir = elixir
        self._tools = {spec.name: _written(spec) for spec in host.specs}

    async def InitializeSession(
        self, request: bridge.InitializeSessionRequest, context: ServicerContext
    ) -> bridge.InitializeSessionResponse:
        """Opens the session at the host, and makes the tools known there."""
        registration = bridge.RegisterToolsRequest(
            session_id=request.session_id,
            tools=map(_registration, self._tools.values()),
            worker_id=f"python-{os.getpid()}",
        )
        stub = self._elixir.stub
        try:
            await _asked(stub.InitializeSession, request, context)
            registered = await _asked(stub.RegisterTools, registration, context)
        except grpc.aio.AioRpcError as error:
            message = f"The host answered {error.code().name}: {error.details()}"
            return bridge.InitializeSessionResponse(success=False, error_message=message)
        if not registered.success and DUPLICATE not in registered.error_message:
            log.error("the host refused this worker's tools: %s", registered.error_message)
        return bridge.InitializeSessionResponse(success=True, available_tools=self._tools)

    async def CleanupSession(
        self, request: bridge.CleanupSessionRequest, context: ServicerContext
    ) -> bridge.CleanupSessionResponse:
        """Ends the session at the host."""
        return await _passed_on(self._elixir.stub.CleanupSession, request, context)

    async def GetSession(
        self, request: bridge.GetSessionRequest, context: ServicerContext
    ) -> bridge.GetSessionResponse:
        """Tells what the host knows of the session."""
        return await _passed_on(self._elixir.stub.GetSession, request, context)

    async def Heartbeat(
        self, request: bridge.HeartbeatRequest, context: ServicerContext
    ) -> bridge.HeartbeatResponse:
        """Tells whether the session lives at the host."""
        return await _passed_on(self._elixir.stub.Heartbeat, request, context)


def _written(spec: ToolSpec) -> bridge.ToolSpec:
    written = write_tool(spec, plain_parameter)
    if spec.supports_streaming:
        written.metadata[STREAMS_KEY] = "true"
    return written


def _registration(spec: bridge.ToolSpec) -> bridge.ToolRegistration:
    return bridge.ToolRegistration.FromString(spec.SerializeToString())  # of the same fields


async def _keeps_nothing(_: SessionId) -> bool:
    return False


async def _passed_on(
    method: "Callable[..., grpc.aio.UnaryUnaryCall[Request, Response]]",
    request: Request,
    context: ServicerContext,
) -> Response:
    try:
        return await _asked(method, request, context)
    except grpc.aio.AioRpcError as error:
        await context.abort(error.code(), error.details() or "")
        raise AssertionError from error  # mypy: `abort` raises


async def _asked(
    method: "Callable[..., grpc.aio.UnaryUnaryCall[Request, Response]]",
    request: Request,
    context: ServicerContext,
) -> Response:
    """Asks the host, under the correlation id that the question came with."""
    found = dict(context.invocation_metadata() or ()).get(CORRELATION_HEADER)
    headers = [(CORRELATION_HEADER, cast("str", found))] if found else []
    metadata = grpc.aio.Metadata(*headers)
    return await answer_of(method(request, metadata=metadata, timeout=ANSWER_SECONDS))
