"""The worker's way to the host that drives it: `snakepit.bridge.BridgeService` over there."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
import grpc.aio

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from snakepit_nb.wire.host_messages import HostCall
from snakepit_nb.wire.plain_host_messages import write_plain_host_call
from snakepit_nb.wire.unary import answer_of
from snakepit_nb.worker.host_client import HostClient
from snakepit_nb.worker.host_proxy import host

from .options import Heartbeat

MOST_TRIES = 60
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
PING_SECONDS = 1.0
ANSWER_SECONDS = 10.0


@asynccontextmanager
async def open_host(address: str, message_bytes: int) -> AsyncIterator["ElixirHost"]:
    """Opens the way to a host, and makes its functions those of `snakepit_nb.worker.host`."""
    functions = HostFunctions(address, "", message_bytes)
    host.connect(functions)
    channel = functions.open_channel()
    try:
        yield ElixirHost(address, snakepit_bridge_pb2_grpc.BridgeServiceStub(channel))
    finally:
        host.connect(None)
        with anyio.CancelScope(shield=True):
            await functions.aclose()
            await channel.close()


class HostFunctions(HostClient):
    """The functions that a host exposes. It has neither token nor encryption, and takes JSON."""

    def written(self, call: HostCall) -> bridge.ExecuteElixirToolRequest:
        """Writes a call in that host's form."""
        return write_plain_host_call(call)

    def open_channel(self) -> grpc.aio.Channel:
        """Opens a channel to it."""
        options = [
            ("grpc.max_receive_message_length", self.message_bytes),
            ("grpc.max_send_message_length", self.message_bytes),
        ]
        return grpc.aio.insecure_channel(self.address, options=options)

    def headers(self, *more: tuple[str, str]) -> grpc.aio.Metadata:
        """Makes the headers of a question."""
        return grpc.aio.Metadata(*more)


class ElixirHost:
    """One host. Each question has an answer in bounded time, or raises `grpc.aio.AioRpcError`."""

    def __init__(
        self, address: str, stub: "snakepit_bridge_pb2_grpc.BridgeServiceAsyncStub"
    ) -> None:
        self._address = address
        self.stub = stub

    async def reach(self, stopped: threading.Event) -> None:
        """Returns once the host answers, or when the worker is to stop.

        Raises:
            WorkerStartError: it did not answer in time.
        """
        pause = FIRST_PAUSE
        for _ in range(MOST_TRIES):
            if stopped.is_set() or await self.answers(PING_SECONDS):
                return
            await anyio.to_thread.run_sync(stopped.wait, pause, abandon_on_cancel=True)
            pause = min(2 * pause, LONGEST_PAUSE)
        raise WorkerStartError(f"The host at {self._address} does not answer.")

    async def answers(self, timeout: float) -> bool:
        """Tells whether the host answers a ping."""
        ping = bridge.PingRequest(message="connection_test")
        try:
            await answer_of(self.stub.Ping(ping, timeout=timeout))
        except grpc.aio.AioRpcError:
            return False
        return True

    async def watch(self, heartbeat: Heartbeat) -> None:
        """Returns when the host is lost on which the worker depends."""
        await anyio.sleep(heartbeat.initial_delay)
        missed = 0
        while heartbeat.enabled:
            missed = 0 if await self.answers(heartbeat.timeout) else missed + 1
            if missed >= heartbeat.misses and heartbeat.dependent:
                return
            await anyio.sleep(heartbeat.interval)
        await anyio.sleep_forever()
