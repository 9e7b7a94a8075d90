"""Who comes in to a pool's bridge: its workers by a Unix socket, other programs by TCP.

Neither door is open before somebody needs it: the first with the first host tool, the second with
`serve`.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import grpc

from snakepit_nb.channel.original_channel import MESSAGE_BYTES
from snakepit_nb.channel.wire_sessions import KnownSessions
from snakepit_nb.errors import UsageError
from snakepit_nb.telemetry.redaction import redaction
from snakepit_nb.wire.gate import is_same_token

from .bridge import Bridge
from .grpc_server import BridgeService, open_listener
from .original_service import OriginalService

LOOPBACK = "127.0.0.1"
FIRST_NO_PORT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where other programs find a pool, and the token that lets them in."""

    address: str
    token: str

    def __repr__(self) -> str:
        return f"Served({self.address!r})"


@asynccontextmanager
async def open_doors(bridge: Bridge) -> AsyncIterator["Doors"]:
    """Lets in who may, while the `async with` lasts."""
    async with AsyncExitStack() as opened:
        yield Doors(bridge, opened)


class Doors:
    """Made by `open_doors`; lives on the pool's loop."""

    def __init__(self, bridge: Bridge, opened: AsyncExitStack) -> None:
        self.bridge = bridge
        self._opened = opened
        self._opening = anyio.Lock()
        self._wanted: Path | None = None  # where workers look
        self._bound: Path | None = None
        self._serving: AsyncExitStack | None = None
        self.served: Served | None = None
        self._tokenless = ""
        self.wire_sessions = KnownSessions()
        """Of the pool's workers, where these are the original's."""

    async def move_to(self, socket: Path) -> None:
        """Is told, before a worker is, where workers look for the bridge."""
        self._wanted = socket
        if self._bound is not None or len(self.bridge.tools):
            await self.listen()

    async def listen(self) -> None:
        """Lets the pool's workers in from now on."""
        async with self._opening:
            socket = self._wanted
            if socket is None or (socket == self._bound and socket.exists()):
                return
            pool = self.bridge.pool
            await self._opened.enter_async_context(
                open_listener(
                    BridgeService(self.bridge, pool.worker_of_token),
                    admits=lambda token: pool.worker_of_token(token) is not None,
                    address=f"unix:{socket}",
                    kind=grpc.LocalConnectionType.UDS,
                    message_bytes=pool.settings.message_bytes,
                )
            )
            self._bound = socket

    async def listen_without_token(self) -> str:
        """Lets workers of the original's in, which have none; returns the address.

        It is on loopback, for this user, and knows nothing but their own sessions.
        """
        async with self._opening:
            if not self._tokenless:
                service = OriginalService(self.bridge, self.wire_sessions)  # type: ignore[abstract]
                self._tokenless = await self._opened.enter_async_context(
                    open_listener(
                        service,
                        admits=lambda _: True,
                        address=f"{LOOPBACK}:0",
                        kind=grpc.LocalConnectionType.LOCAL_TCP,
                        message_bytes=MESSAGE_BYTES,
                    )
                )
                service.port = int(self._tokenless.rpartition(":")[2])
            return self._tokenless

    async def serve(self, port: int) -> Served:
        """Lets other programs of this machine in, by a token; port 0 lets the system choose one.

        Raises:
            UsageError: the port is none, or is taken.
        """
        if not 0 <= port < FIRST_NO_PORT:
            raise UsageError(f"--port {port}: give a number from 1 to {FIRST_NO_PORT - 1}.")
        async with self._opening:
            if self.served is None:
                self.served = await self._serve(port)
            return self.served

    async def stop_serving(self) -> bool:
        """Lets other programs in no more; tells whether they were."""
        async with self._opening:
            serving, self._serving, self.served = self._serving, None, None
            if serving is not None:
                await serving.aclose()
            return serving is not None

    async def _serve(self, port: int) -> Served:
        token = secrets.token_urlsafe(32)
        redaction.hide(token)
        serving = AsyncExitStack()
        listener = open_listener(
            BridgeService(self.bridge, lambda _: None),
            admits=partial(is_same_token, token),
            address=f"{LOOPBACK}:{port}",
            kind=grpc.LocalConnectionType.LOCAL_TCP,
            message_bytes=self.bridge.pool.settings.message_bytes,
        )
        try:
            address = await serving.enter_async_context(listener)
        except RuntimeError:  # gRPC's word for that
            raise UsageError(f"--port {port}: it is taken, or not ours to take.") from None
        self._serving = serving
        self._opened.push_async_callback(self.stop_serving)
        return Served(address=address, token=token)
