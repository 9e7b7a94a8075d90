"""Where a driven worker listens, and how its host learns of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import grpc.aio

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.worker.emitting import process_events

from .service import DrivenToolService

MESSAGE_BYTES = 100 * 1024 * 1024
"""The original's own limit."""
STOP_SECONDS = 1.0


@asynccontextmanager
async def open_server(port: int, service: DrivenToolService) -> AsyncIterator[int]:
    """Serves on loopback, by both protocols where there are both; gives the port."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.aio.server(options=options)
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(service, server)
    try:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise WorkerStartError(f"Port {port} cannot be had: {error}") from error
    with suppress(RuntimeError):  # there is no IPv6
        server.add_insecure_port(f"[::1]:{port}")
    await server.start()
    try:
        yield port
    finally:
        process_events.close()  # or the server would wait for who reads these
        with anyio.CancelScope(shield=True):
            await server.stop(STOP_SECONDS)


def write_ready(path: Path, port: int) -> None:
    """Tells the port: whole, or not at all. Blocks."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    with written.open("w") as file:
        file.write(str(port))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
