"""A real worker tells what happens in it, over the seed's StreamTelemetry."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import grpc
import grpc.aio
import pytest

from snakepit_nb.channel.channel import EventTap
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import WorkerError
from snakepit_nb.identifiers import TOKEN_HEADER
from snakepit_nb.launch.subprocess_launcher import SubprocessLauncher, open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker
from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from tests.making import MESSAGE_BYTES, a_call, a_worker

from .calling import a_cell, run

pytestmark = pytest.mark.process


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@pytest.fixture
async def launcher() -> AsyncIterator[SubprocessLauncher]:
    async with open_subprocess_launcher() as opened:
        yield opened


async def test_initial_metadata_comes_before_any_control(launcher: SubprocessLauncher) -> None:
    worker = await launcher.launch(a_worker(__file__, threads=2))
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    async with grpc.aio.secure_channel(worker.announcement.address, credentials) as line:
        stub = snakepit_bridge_pb2_grpc.BridgeServiceStub(line)
        rpc = stub.StreamTelemetry(metadata=((TOKEN_HEADER, worker.token),), timeout=5)
        assert await rpc.initial_metadata() is not None
        rpc.cancel()


async def test_memory_is_told_at_once(launcher: SubprocessLauncher) -> None:
    async with serving(launcher) as (_, channel), channel.events() as tap:
        event = await told(tap, "python.memory.sampled")

    assert 10_000_000 < event.measurements["rss_bytes"] < event.measurements["vms_bytes"]


async def test_user_code_tells_from_cells_and_from_threads(launcher: SubprocessLauncher) -> None:
    code = (
        "import threading\nfrom snakepit_nb.worker import emit_event\n"
        "emit_event('from.cell')\n"
        "t = threading.Thread(target=emit_event, args=('from.thread', {'n': 1}))\n"
        "t.start(); t.join()"
    )
    async with serving(launcher) as (_, channel), channel.events() as tap:
        cell = a_cell(code, session="s")
        _, reply = await run(channel, cell)
        of_cell, of_thread = await told(tap, "from.cell"), await told(tap, "from.thread")

    assert reply.error is None
    assert of_cell.correlation_id == cell.correlation_id
    assert of_thread.measurements == {"n": 1}


async def test_a_flood_holds_up_no_call_and_what_is_dropped_is_counted(
    launcher: SubprocessLauncher,
) -> None:
    tell = "from snakepit_nb.worker import emit_event\n"
    async with serving(launcher) as (_, channel), channel.events() as tap:
        await told(tap, "python.memory.sampled")
        await run(channel, a_cell(f"{tell}for n in range(100_000): emit_event('x')"))
        await run(channel, a_cell(f"{tell}emit_event('the.end')"))
        told_or_dropped = 0.0
        with anyio.fail_after(10):
            while (event := await tap.read()) is not None and event.name != "the.end":
                told_or_dropped += event.measurements.get("count", 1) * (event.name in TOLD)

    assert told_or_dropped == 100_000


async def test_a_worker_that_is_stopped_tells_its_last_and_ends_the_stream_at_once(
    launcher: SubprocessLauncher,
) -> None:
    async with serving(launcher) as (worker, channel), channel.events() as tap:
        await told(tap, "python.memory.sampled")
        await channel.call(a_call("loop"))
        names: list[str] = []

        async def read() -> None:
            while (event := await tap.read()) is not None:
                names.append(event.name)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                begun = anyio.current_time()
                assert (await worker.stop(grace=5)).exit_code == 0
                seconds = anyio.current_time() - begun

    assert names == ["tool.execution.start", "tool.execution.stop"]
    assert seconds < 1, "the server waited for who reads"


async def test_another_hosts_worker_that_tells_nothing_says_so(tmp_path: Path) -> None:
    server = grpc.aio.server()
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(
        snakepit_bridge_pb2_grpc.BridgeServiceServicer(),  # type: ignore[abstract]  # UNIMPLEMENTED
        server,
    )
    address = f"unix:{tmp_path / 'socket'}"
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    server.add_secure_port(address, credentials)
    await server.start()
    async with (
        open_grpc_channel(address=address, token="", message_bytes=MESSAGE_BYTES) as channel,
        channel.events() as tap,
    ):
        with pytest.raises(WorkerError, match="UNIMPLEMENTED"):
            await tap.read()
        with pytest.raises(WorkerError):
            await tap.control(EventControl())
    await server.stop(None)


TOLD = ("x", "telemetry.dropped")


@asynccontextmanager
async def serving(
    launcher: SubprocessLauncher,
) -> AsyncIterator[tuple[SubprocessWorker, GrpcChannel]]:
    worker = await launcher.launch(a_worker(__file__, "thread_tools:ThreadTools", threads=2))
    async with open_grpc_channel(
        address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
    ) as channel:
        yield worker, channel


async def told(tap: EventTap, name: str) -> ToldEvent:
    with anyio.fail_after(5):
        while True:
            event = await tap.read()
            assert event is not None
            if event.name == name:
                return event
