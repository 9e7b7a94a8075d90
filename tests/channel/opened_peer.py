"""Opens the server of `grpc_peer`, and hears what it tells."""

import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import grpc.aio
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT = Path(__file__).parents[2]
BOUND = 5.0
A_WHILE = 0.5
"""So long nothing is told before it is taken for never: what is told, is told in milliseconds."""
LONGEST_LINE = 10_000

Options = Sequence[tuple[str, int]]


class Peer:
    """The server's process."""

    def __init__(self, socket: str, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        self._address = f"unix:{socket}"
        self._lines = BufferedByteReceiveStream(process.stdout)
        self.pid = process.pid

    async def line(self) -> str:
        """Returns the next that it tells."""
        with anyio.fail_after(BOUND):
            return (await self._lines.receive_until(b"\n", LONGEST_LINE)).decode()

    async def wait_for(self, line: str) -> None:
        """Returns when it has told this, which must be the next that it tells."""
        assert await self.line() == line

    async def is_silent(self) -> bool:
        with anyio.move_on_after(A_WHILE):
            await self._lines.receive_until(b"\n", LONGEST_LINE)
            return False
        return True

    def connect(self, options: Options = ()) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self._address, options=options)


@asynccontextmanager
async def open_peer(*options: str) -> AsyncIterator[Peer]:
    with tempfile.TemporaryDirectory(prefix="sp-") as directory:  # the path must be short
        socket = str(Path(directory) / "peer.sock")
        command = [sys.executable, "-m", "tests.channel.grpc_peer", socket, *options]
        async with await anyio.open_process(command, stderr=None, cwd=ROOT) as process:
            try:
                peer = Peer(socket, process)
                await peer.wait_for("serves")
                yield peer
            finally:
                process.kill()
