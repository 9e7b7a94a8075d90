"""Serves a worker over gRPC, on a Unix socket that only the pool's token opens."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio

from snakepit_nb.identifiers import TOKEN_HEADER
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc, snakepit_cells_pb2_grpc

from .cell_service import CellService
from .tool_service import ToolService

STOP_SECONDS = 1.0

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # no generic at run time


@asynccontextmanager
async def open_server(
    *,
    socket_path: str,
    token: str,
    message_bytes: int,
    tools: ToolService,
    cells: CellService,
) -> AsyncIterator[None]:
    """Serves until the `async with` ends."""
    server = grpc.aio.server(
        interceptors=[TokenInterceptor(token)],
        options=[
            ("grpc.max_receive_message_length", message_bytes),
            ("grpc.max_send_message_length", message_bytes),
        ],
    )
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(tools, server)
    snakepit_cells_pb2_grpc.add_CellServiceServicer_to_server(cells, server)
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    server.add_secure_port(f"unix:{socket_path}", credentials)
    await server.start()
    try:
        yield
    finally:
        await server.stop(STOP_SECONDS)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Answers UNAUTHENTICATED, before any routing, to whoever does not bring the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._refusal: Handler = grpc.stream_stream_rpc_method_handler(_refuse)

    async def intercept_service(  # type: ignore[override]  # for any request and response
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Lets a call with the token through."""
        for key, value in handler_call_details.invocation_metadata:
            if key == TOKEN_HEADER and hmac.compare_digest(str(value).encode(), self._token):
                return await continuation(handler_call_details)
        return self._refusal


async def _refuse(_requests: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "This worker serves its own pool only.")
