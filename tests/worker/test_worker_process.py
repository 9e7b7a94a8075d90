"""A real worker process, as its launcher starts it."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import grpc
import grpc.aio
import pytest

from snakepit_nb.calls import CellCall, CellEvent, Display
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import WorkerError
from snakepit_nb.identifiers import TOKEN_HEADER, CallId, CorrelationId, SessionId
from snakepit_nb.launch.subprocess_launcher import SubprocessLauncher, open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from tests.making import MESSAGE_BYTES, a_call, a_worker

pytestmark = pytest.mark.process

HEAVY = {"IPython", "ipykernel", "ipywidgets", "traitlets", "numpy", "pandas", "matplotlib", "zmq"}
OF_THE_KERNEL = {"blocking", "channel", "launch", "notebook", "pool", "scheduling"}
METHODS = [
    f"/{service.full_name}/{method.name}"
    for file in (bridge.DESCRIPTOR, cells.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@pytest.fixture(scope="module")
async def launcher() -> AsyncIterator[SubprocessLauncher]:
    async with open_subprocess_launcher() as opened:
        yield opened


@pytest.fixture(scope="module")
async def worker(launcher: SubprocessLauncher) -> SubprocessWorker:
    return await launcher.launch(a_worker(__file__, "process_tools:Introspection"))


@pytest.fixture(scope="module")
async def channel(worker: SubprocessWorker) -> AsyncIterator[GrpcChannel]:
    async with open_grpc_channel(
        address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
    ) as opened:
        yield opened


async def test_a_worker_that_only_serves_tools_stays_light(launcher: SubprocessLauncher) -> None:
    worker = await launcher.launch(a_worker(__file__, "process_tools:Introspection"))
    async with open_grpc_channel(
        address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
    ) as channel:
        modules = set((await channel.call(a_call("modules"))).value)
    await worker.kill()

    assert modules & HEAVY == set()
    assert modules & {f"snakepit_nb.{room}" for room in OF_THE_KERNEL} == set()
    assert "snakepit_nb.worker.tool_host" in modules


@pytest.mark.parametrize("tool", ["thread", "async_thread"])
async def test_tools_run_on_the_main_thread(channel: GrpcChannel, tool: str) -> None:
    assert (await channel.call(a_call(tool))).value == "MainThread"


@pytest.mark.parametrize("tool", ["stream_threads", "stream_threads_async"])
async def test_streaming_tools_run_on_the_main_thread(channel: GrpcChannel, tool: str) -> None:
    async with aclosing(channel.stream(a_call(tool))) as stream:
        assert (await anext(stream)).data == "MainThread"


async def test_user_code_finds_an_empty_stdin(channel: GrpcChannel) -> None:
    assert (await channel.call(a_call("stdin"))).value == ""


async def test_a_worker_is_its_own_session_and_process_group(
    channel: GrpcChannel, worker: SubprocessWorker
) -> None:
    told = (await channel.call(a_call("processes"))).value

    assert told["pid"] == told["group"] == told["session"] == worker.pid
    assert told["parent"] != os.getpid()


async def test_secrets_stand_where_nobody_can_read_them(
    channel: GrpcChannel, worker: SubprocessWorker
) -> None:
    told = (await channel.call(a_call("told"))).value

    for place, text in told.items():
        assert worker.token not in text, place
        assert worker.introduction.nonce not in text, place


async def test_the_socket_is_in_a_directory_of_the_users_own(worker: SubprocessWorker) -> None:
    path = anyio.Path(worker.announcement.address.removeprefix("unix:"))
    directory = await path.parent.stat()

    assert await path.is_socket()
    assert directory.st_mode & 0o777 == 0o700
    assert directory.st_uid == os.getuid()


@pytest.mark.parametrize("token", [None, "", "wrong"], ids=["none", "empty", "wrong"])
@pytest.mark.parametrize("method", [*METHODS, "/no.such/Method"])
async def test_without_the_token_every_method_is_refused_before_routing(
    worker: SubprocessWorker, method: str, token: str | None
) -> None:
    async with grpc.aio.secure_channel(
        worker.announcement.address,
        grpc.local_channel_credentials(grpc.LocalConnectionType.UDS),
    ) as channel:
        metadata = () if token is None else ((TOKEN_HEADER, token),)
        open_any: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await open_any(metadata=metadata).read()

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_wrong_token_is_told_as_such(worker: SubprocessWorker) -> None:
    async with open_grpc_channel(
        address=worker.announcement.address,
        token="wrong",  # noqa: S106
        message_bytes=MESSAGE_BYTES,
    ) as channel:
        with pytest.raises(WorkerError, match="UNAUTHENTICATED"):
            await channel.tools()


async def test_every_session_shows_the_figures_that_it_draws(channel: GrpcChannel) -> None:
    pytest.importorskip("matplotlib")
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)

    for session in ("first", "second"):
        cell = CellCall(
            call_id=CallId(f"cell-{session}"),
            correlation_id=CorrelationId("sp-0"),
            session_id=SessionId(session),
            code="import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])",
        )
        await channel.run_cell(cell, put)

    assert ["image/png" in event.data for event in events if isinstance(event, Display)] == [
        True,
        True,
    ]


async def test_a_worker_ends_when_its_stdin_ends(launcher: SubprocessLauncher) -> None:
    worker = await launcher.launch(a_worker(__file__, "process_tools:Introspection"))
    worker._stdin.shutdown(socket.SHUT_WR)  # as the kernel's end does it

    with anyio.fail_after(10):
        assert (await worker.wait()).exit_code == 0
