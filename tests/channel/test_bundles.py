"""Calls that begin together travel together, and nothing but that is different for them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import grpc
import grpc.aio
import pytest

from snakepit_nb.calls import Origin, ToolCall
from snakepit_nb.channel.bundles import MANY_CALLS
from snakepit_nb.channel.exchange import MOST_TOGETHER
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import ValueEncodingError, WorkerCrashedError
from snakepit_nb.identifiers import TOKEN_HEADER, CorrelationId, WorkerId
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.wire.buffers import BufferSpace
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.generated.snakepit_cells_pb2_grpc import BundleServiceStub
from snakepit_nb.wire.messages import write_call
from tests.channel.opened_peer import BOUND, Peer, open_peer
from tests.making import a_call, a_worker

pytestmark = pytest.mark.process

MIB = 1024 * 1024
LARGE_TOOLS = "large_tools:LargeTools"
ALONE = MANY_CALLS - 1
"""So many of those that begin together have an RPC of their own: nobody knows yet of the others."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Answers calls that share an RPC, but for those of `forget`; others never."""
    async with open_peer() as opened:
        yield opened


async def test_the_header_of_a_bundle_has_the_correlation_ids_of_all(peer: Peer) -> None:
    calls = [a_call("add") for _ in range(ALONE + MOST_TOGETHER + 2)]
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        for call in calls:
            tasks.start_soon(channel.call, call)

        told = [await peer.line() for _ in range(ALONE + 4)]
        tasks.cancel_scope.cancel()

    assert (told.count("begun"), told.count("finished")) == (ALONE, 2)
    bundles = sorted(line.split() for line in told if line not in {"begun", "finished"})
    ids = [call.correlation_id for call in calls[ALONE:]]
    assert bundles == [ids[:MOST_TOGETHER], ids[MOST_TOGETHER:]]


async def test_a_call_that_the_worker_forgets_to_answer_fails_and_the_others_do_not(
    peer: Peer,
) -> None:
    calls = [*(a_call("add") for _ in range(ALONE + 4)), a_call("forget")]
    failed: list[CorrelationId | None] = []
    async with peer.connect() as line, anyio.create_task_group() as alone:
        channel = GrpcChannel(line, "token")

        async def call(call: ToolCall) -> None:
            try:
                await channel.call(call)
            except WorkerCrashedError as error:
                failed.append(error.correlation_id)

        for one in calls[:ALONE]:
            alone.start_soon(channel.call, one)
        async with anyio.create_task_group() as together:
            for one in calls[ALONE:]:
                together.start_soon(call, one)
        alone.cancel_scope.cancel()

    assert failed == [calls[-1].correlation_id]


async def test_calls_of_one_cell_share_an_rpc_from_the_second_one_on(peer: Peer) -> None:
    first = a_call("add")
    another = a_call("add")
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        tasks.start_soon(channel.call, first)
        await peer.wait_for("begun")
        with anyio.fail_after(BOUND):
            for _ in range(3):
                await channel.call(replace(a_call("add"), correlation_id=first.correlation_id))
        await peer.wait_for(first.correlation_id)

        tasks.start_soon(channel.call, another)
        assert {await peer.line(), await peer.line()} == {"begun", "finished"}

        with anyio.fail_after(BOUND):
            await channel.call(replace(a_call("add"), correlation_id=another.correlation_id))
        await peer.wait_for(another.correlation_id)
        tasks.cancel_scope.cancel()


async def test_calls_of_one_cell_that_begin_together_share_it_too(peer: Peer) -> None:
    first = a_call("add")
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        tasks.start_soon(channel.call, first)
        async with anyio.create_task_group() as answered:
            for _ in range(MANY_CALLS + MOST_TOGETHER):
                call = replace(a_call("add"), correlation_id=first.correlation_id)
                answered.start_soon(channel.call, call)
        assert sorted([await peer.line(), await peer.line()]) == ["begun", first.correlation_id]
        assert await peer.is_silent()
        tasks.cancel_scope.cancel()


async def test_an_exchange_that_the_worker_ends_is_followed_by_another(peer: Peer) -> None:
    first = a_call("add")
    forgotten = replace(a_call("forget"), correlation_id=first.correlation_id)
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        tasks.start_soon(channel.call, first)
        await peer.wait_for("begun")
        with pytest.raises(WorkerCrashedError):
            await channel.call(replace(forgotten, tool_name="break"))
        await peer.wait_for(first.correlation_id)
        with anyio.fail_after(BOUND):
            await channel.call(replace(forgotten, tool_name="add"))
        await peer.wait_for(first.correlation_id)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("in_one_cell", [False, True])
@pytest.mark.parametrize("turns", range(6))
async def test_a_way_that_is_closed_under_calls_is_told_to_all(
    peer: Peer, turns: int, *, in_one_cell: bool
) -> None:
    """Closed after so many turns of the loop: before they are sent, right then, or later."""
    calls = [a_call("forget") for _ in range(ALONE + 5)]
    if in_one_cell:
        calls = [replace(call, correlation_id=calls[0].correlation_id) for call in calls]
    told: list[CorrelationId | None] = []
    async with peer.connect() as line:
        channel = GrpcChannel(line, "token")

        async def call(call: ToolCall) -> None:
            with pytest.raises(WorkerCrashedError) as caught:
                await channel.call(call)
            told.append(caught.value.correlation_id)

        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as tasks:
                for one in calls:
                    tasks.start_soon(call, one)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                channel.close()
                await line.close()

    assert sorted(map(str, told)) == [call.correlation_id for call in calls]


@pytest.mark.parametrize("message_bytes", [1000, 10_000, 100_000])
async def test_where_messages_are_small_bundles_are_too(message_bytes: int) -> None:
    half = message_bytes // 2
    async with open_subprocess_launcher(sweeps=False) as launcher:
        worker = await launcher.launch(
            a_worker(__file__, LARGE_TOOLS, threads=32, message_bytes=message_bytes)
        )
        lengths: list[int] = []
        async with open_grpc_channel(
            address=worker.announcement.address, token=worker.token, message_bytes=message_bytes
        ) as channel:

            async def call(tool: str, **parameters: object) -> None:
                lengths.append(len((await channel.call(a_call(tool, **parameters))).value))

            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(partial(call, "echo", value="x"))
                    tasks.start_soon(partial(call, "echo", value="x" * half))
                    tasks.start_soon(partial(call, "zeros", size=half))

        assert sorted(lengths) == [1] * 20 + [half] * 40


async def test_a_bundle_of_calls_with_much_baggage_fits_a_message() -> None:
    baggage = Origin(headers=(("baggage", "x" * 4000),))
    async with open_subprocess_launcher(sweeps=False) as launcher:
        worker = await launcher.launch(
            a_worker(__file__, LARGE_TOOLS, threads=32, message_bytes=100_000)
        )
        async with (
            open_grpc_channel(
                address=worker.announcement.address, token=worker.token, message_bytes=100_000
            ) as channel,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(ALONE + MOST_TOGETHER):
                tasks.start_soon(channel.call, replace(a_call("echo", value=1), origin=baggage))


@pytest.mark.parametrize("in_one_cell", [False, True])
async def test_a_call_has_stopped_once_its_worker_knows_of_the_interrupt(
    *, in_one_cell: bool
) -> None:
    """Asked before that, a worker that does not know the call yet would let it run later."""
    call = a_call("forget")
    async with (
        open_peer("interrupts") as peer,
        peer.connect() as line,
        anyio.create_task_group() as tasks,
    ):
        channel = GrpcChannel(line, "token")
        if in_one_cell:
            tasks.start_soon(
                channel.call, replace(a_call("add"), correlation_id=call.correlation_id)
            )
            await peer.wait_for("begun")
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(channel.call, call)
            await peer.wait_for(call.correlation_id if in_one_cell else "begun")
            cancelled.cancel_scope.cancel()

        tasks.start_soon(channel.wait_stopped, call.call_id)
        await peer.wait_for("interrupting")
        assert await peer.is_silent()
        tasks.cancel_scope.cancel()


async def test_a_call_that_begins_alone_waits_for_nobody(peer: Peer) -> None:
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        for _ in range(MANY_CALLS + 2):
            tasks.start_soon(channel.call, a_call("add"))
            await peer.wait_for("begun")  # and so no bundle
        tasks.cancel_scope.cancel()


async def test_an_answer_that_is_too_large_for_a_message_fails_alone() -> None:
    async with open_subprocess_launcher(sweeps=False) as launcher:
        wanted = a_worker(__file__, LARGE_TOOLS, threads=32, message_bytes=2 * MIB)
        let_others_look_in((await launcher.launch(wanted)).buffers)
        worker = await launcher.launch(replace(wanted, worker_id=WorkerId("another")))
        values: dict[int, object] = {}
        async with open_grpc_channel(
            address=worker.announcement.address, token=worker.token, message_bytes=2 * MIB
        ) as channel:

            async def call(number: int, size: int) -> None:
                try:
                    result = await channel.call(a_call("zeros", size=size))
                    values[number] = len(result.value)
                except ValueEncodingError as error:
                    values[number] = error.message

            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(call, number, 3 * MIB if number == 10 else number * MIB // 16)

        assert "larger than the pool's message_bytes" in str(values.pop(10))
        assert values == {number: number * MIB // 16 for number in range(20) if number != 10}


async def test_a_worker_that_stops_does_not_wait_for_more_calls() -> None:
    async with open_subprocess_launcher(sweeps=False) as launcher:
        worker = await launcher.launch(a_worker(__file__, LARGE_TOOLS, message_bytes=MIB))
        credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
        async with grpc.aio.secure_channel(worker.announcement.address, credentials) as line:
            token = grpc.aio.Metadata((TOKEN_HEADER, worker.token))
            exchange = BundleServiceStub(line).ExecuteTools(metadata=token)
            request = write_call(a_call("echo", value=1), stream=False)
            call = cells.BundledCall(request=request.SerializeToString())
            await exchange.write(cells.ToolBundle(calls=[call]))
            assert isinstance(await exchange.read(), cells.ToolAnswers)

            await worker.stop(BOUND)

            assert await exchange.read() is grpc.aio.EOF
            assert await exchange.code() is grpc.StatusCode.OK


def let_others_look_in(space: BufferSpace) -> None:
    """Makes the first directory such as no worker uses: what is large goes by message then."""
    Path(space.directories[0]).chmod(0o755)
