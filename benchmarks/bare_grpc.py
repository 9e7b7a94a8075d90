"""The least that a call over gRPC can cost: an echo from process to process, and nothing else.

Run as a script, it serves: `python bare_grpc.py ADDRESS here|main`.
"""

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio


class Echo(grpc.GenericRpcHandler):
    """Answers where it is served, or by way of the main thread's loop, as a worker does."""

    def __init__(self, main_loop: asyncio.AbstractEventLoop | None) -> None:
        self._main_loop = main_loop

    def service(self, details: Any) -> Any:
        """Finds the method's handler."""
        if details.method.endswith("/stream"):
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._unary)

    async def _unary(self, request: bytes, _: Any) -> bytes:
        if self._main_loop is None:
            return request
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        def answer() -> None:
            loop.call_soon_threadsafe(answered.set_result, request)

        self._main_loop.call_soon_threadsafe(answer)
        return await answered

    async def _stream(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request


@contextmanager
def echo_server(where: str) -> Iterator[str]:
    """Serves in a process of its own (`where`: `here` or `main`); yields its address."""
    with tempfile.TemporaryDirectory() as directory:
        address = f"unix:{directory}/echo"
        argv = [sys.executable, str(Path(__file__)), address, where]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            try:
                yield address
            finally:
                server.kill()


async def open_channel(address: str) -> grpc.aio.Channel:
    """Opens a way to the server, of the running loop."""
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    return grpc.aio.secure_channel(address, credentials)


async def _serve(address: str, main_loop: asyncio.AbstractEventLoop | None) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(main_loop),))
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    server.add_secure_port(address, credentials)
    await server.start()
    print(flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[2] == "here":
        asyncio.run(_serve(sys.argv[1], None))
    else:
        loop = asyncio.new_event_loop()
        threading.Thread(target=asyncio.run, args=(_serve(sys.argv[1], loop),), daemon=True).start()
        loop.run_forever()
