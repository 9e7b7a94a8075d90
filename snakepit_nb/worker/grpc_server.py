"""Serves a worker over gRPC, on a Unix socket that only the pool's token opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio

from snakepit_nb.wire.gate import Gate, is_same_token
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc, snakepit_cells_pb2_grpc

from .bundle_service import BundleService
from .cell_service import CellService
from .tool_service import ToolService

STOP_SECONDS = 1.0


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
    # What generated code wants of a server, it has.
    gate: Any = Gate(partial(is_same_token, token), "This worker serves its own pool only.")
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(tools, gate)
    snakepit_cells_pb2_grpc.add_CellServiceServicer_to_server(cells, gate)
    bundles = BundleService(tools, message_bytes)
    snakepit_cells_pb2_grpc.add_BundleServiceServicer_to_server(bundles, gate)
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
        bundles.close()
        await server.stop(STOP_SECONDS)
