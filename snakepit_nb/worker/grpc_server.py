"""Serves a worker over gRPC, on a Unix socket that only the pool's token opens."""

import hmac
from collections.abc import AsyncIterator
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
    gate: Any = Gate(token)  # what generated code wants of a server, it has
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(tools, gate)
    snakepit_cells_pb2_grpc.add_CellServiceServicer_to_server(cells, gate)
    server = grpc.aio.server(
        handlers=[gate],
        options=[
            ("grpc.max_receive_message_length", message_bytes),
            ("grpc.max_send_message_length", message_bytes),
        ],
    )
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    server.add_secure_port(f"unix:{socket_path}", credentials)
    await server.start()
    try:
        yield
    finally:
        await server.stop(STOP_SECONDS)


class Gate(grpc.GenericRpcHandler):
    """Answers UNAUTHENTICATED, before any routing, to whoever does not bring the token.

    An interceptor could do the same, and would cost each call a turn of the loop.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._methods: dict[str, Handler] = {}
        self._refusal: Handler = grpc.stream_stream_rpc_method_handler(_refuse)

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Takes a service's methods; called by the generated code."""
        self._methods |= {f"/{service}/{name}": handler for name, handler in handlers.items()}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the generated code hands the same methods over in two ways."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """Finds the method for a call with the token."""
        for key, value in handler_call_details.invocation_metadata:
            if key == TOKEN_HEADER and hmac.compare_digest(str(value).encode(), self._token):
                return self._methods.get(handler_call_details.method)
        return self._refusal


async def _refuse(_requests: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "This worker serves its own pool only.")
