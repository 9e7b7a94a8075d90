"""The bridge for workers of the original's, which bring no token: as little of it as they need.

Whoever can connect can ask, so another user's processes are refused, only sessions count that these
workers were told of, and nothing is here by which another program could run a tool.
"""

import os
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio

from snakepit_nb.channel.wire_sessions import KnownSessions
from snakepit_nb.identifiers import CORRELATION_HEADER, CORRELATION_KEY, SessionId, WorkerId
from snakepit_nb.off_loop import off_loop
from snakepit_nb.telemetry.correlation import adopted_correlation_id
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.host_messages import write_host_failure
from snakepit_nb.wire.messages import read_tool, write_tool
from snakepit_nb.wire.plain_host_messages import read_plain_host_call, write_plain_host_result
from snakepit_nb.wire.plain_messages import plain_parameter

from . import host_calls
from .bridge import Bridge
from .grpc_server import BridgeService, spec_of
from .peer_user import is_of_user

REFUSAL = "This listener serves the sessions of its own pool's workers only."

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


class OriginalService(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    """What such a worker asks of its host; all else is UNIMPLEMENTED."""

    def __init__(self, kept: Bridge, sessions: KnownSessions) -> None:
        self._kept = kept
        self._sessions = sessions
        self._inner = BridgeService(kept, lambda _: None)
        self._user = os.geteuid()
        self.port = 0
        """Where it listens; set before it is told to anybody."""

    async def Ping(self, request: bridge.PingRequest, context: Context) -> bridge.PingResponse:
        """Answers."""
        return await self._inner.Ping(request, context)

    async def InitializeSession(
        self, request: bridge.InitializeSessionRequest, context: Context
    ) -> bridge.InitializeSessionResponse:
        """Knows the session; the worker asks before each call."""
        await self._check(request.session_id, context)
        return bridge.InitializeSessionResponse(success=True)

    async def CleanupSession(
        self, request: bridge.CleanupSessionRequest, context: Context
    ) -> bridge.CleanupSessionResponse:
        """Lets go what is kept of a session: the pool has ended it."""
        session_id = SessionId(request.session_id)
        await self._check(session_id, context)
        freed = self._kept.registry.cleanup_session(session_id)
        return bridge.CleanupSessionResponse(success=True, resources_cleaned=freed)

    async def GetSession(
        self, request: bridge.GetSessionRequest, context: Context
    ) -> bridge.GetSessionResponse:
        """Tells what is known of a session."""
        await self._check(request.session_id, context)
        return await self._inner.GetSession(request, context)

    async def Heartbeat(
        self, request: bridge.HeartbeatRequest, context: Context
    ) -> bridge.HeartbeatResponse:
        """Says that the session lives: the kernel does, and that is what is asked."""
        await self._check(request.session_id, context)
        answer = await self._inner.Heartbeat(request, context)
        answer.session_valid = True
        return answer

    async def RegisterTools(
        self, request: bridge.RegisterToolsRequest, context: Context
    ) -> bridge.RegisterToolsResponse:
        """Gives a session the worker's tools, under the name by which the pool knows it."""
        worker_id = await self._check(request.session_id, context)
        specs = tuple(read_tool(spec_of(tool)) for tool in request.tools)
        self._sessions.note_tools(worker_id, specs)
        request.worker_id = worker_id
        return await self._inner.RegisterTools(request, context)

    async def GetExposedElixirTools(
        self, request: bridge.GetExposedElixirToolsRequest, context: Context
    ) -> bridge.GetExposedElixirToolsResponse:
        """Tells which functions of the notebook there are."""
        await self._check(request.session_id, context)
        tools = self._kept.host_calls.offered(SessionId(request.session_id))
        written = [write_tool(tool.spec, plain_parameter) for tool in tools]
        return bridge.GetExposedElixirToolsResponse(tools=written)

    async def ExecuteElixirTool(
        self, request: bridge.ExecuteElixirToolRequest, context: Context
    ) -> bridge.ExecuteElixirToolResponse:
        """Runs a function of the notebook. What it raises is told in the response."""
        worker_id = await self._check(request.session_id, context)
        headers = dict(context.invocation_metadata() or ())
        told = headers.get(CORRELATION_HEADER) or request.metadata.get(CORRELATION_KEY, "")
        try:
            call = read_plain_host_call(request, adopted_correlation_id(str(told)))
            return await self._kept.host_calls.run(call, worker_id, write_plain_host_result)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            return write_host_failure(error, request.tool_name, hide_file=host_calls.__file__)

    async def _check(self, session_id: str, context: Context) -> WorkerId:
        """Returns the worker that was told of a session."""
        is_ours = partial(is_of_user, context.peer(), self.port, self._user)
        worker_id = self._sessions.worker_of(SessionId(session_id))
        if not await off_loop(is_ours):
            worker_id = None
        if worker_id is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, REFUSAL)
            raise AssertionError  # mypy: `abort` raises
        return worker_id
