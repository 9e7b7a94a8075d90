"""Calls that begin together travel together, and nothing but that is different for them."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from snakepit_nb.calls import ToolCall
from snakepit_nb.channel.bundles import MANY_CALLS, MOST_TOGETHER
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import ValueEncodingError, WorkerCrashedError
from snakepit_nb.identifiers import CorrelationId, WorkerId
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.wire.buffers import BufferSpace
from tests.channel.making import a_call, a_worker
from tests.channel.opened_peer import BOUND, Peer, open_peer

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
    """Answers calls that came together, but for the last of them; others never."""
    async with open_peer() as opened:
        yield opened


async def test_the_header_of_a_bundle_has_the_correlation_ids_of_all(peer: Peer) -> None:
    calls = [a_call("add") for _ in range(ALONE + MOST_TOGETHER + 2)]
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        for call in calls:
            tasks.start_soon(called, channel, call)

        told = [await peer.line() for _ in range(ALONE + 2)]
        tasks.cancel_scope.cancel()

    bundles = sorted(line.split() for line in told if line != "begun")
    ids = [call.correlation_id for call in calls[ALONE:]]
    assert bundles == [ids[:MOST_TOGETHER], ids[MOST_TOGETHER:]]


async def test_a_call_that_the_worker_forgets_to_answer_fails_and_the_others_do_not(
    peer: Peer,
) -> None:
    calls = [a_call("add") for _ in range(ALONE + 5)]
    failed: list[CorrelationId | None] = []
    async with peer.connect() as line, anyio.create_task_group() as alone:
        channel = GrpcChannel(line, "token")

        async def call(call: ToolCall) -> None:
            try:
                await channel.call(call)
            except WorkerCrashedError as error:
                failed.append(error.correlation_id)

        for one in calls[:ALONE]:
            alone.start_soon(called, channel, one)
        async with anyio.create_task_group() as together:
            for one in calls[ALONE:]:
                together.start_soon(call, one)
        alone.cancel_scope.cancel()

    assert failed == [calls[-1].correlation_id]


async def test_calls_of_one_cell_name_its_correlation_id_once(peer: Peer) -> None:
    first = a_call("add")
    calls = [replace(a_call("add"), correlation_id=first.correlation_id) for _ in range(ALONE + 5)]
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        for call in calls:
            tasks.start_soon(called, channel, call)

        told = [await peer.line() for _ in range(ALONE + 1)]
        tasks.cancel_scope.cancel()

    assert sorted(told) == [*["begun"] * ALONE, first.correlation_id]


@pytest.mark.parametrize("turns", range(6))
async def test_a_way_that_is_closed_under_calls_is_told_to_all(peer: Peer, turns: int) -> None:
    """Closed after so many turns of the loop: before they are sent, right then, or later."""
    calls = [a_call("add") for _ in range(ALONE + 5)]
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
            a_worker(LARGE_TOOLS, threads=32, message_bytes=message_bytes)
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


async def test_a_call_that_begins_alone_waits_for_nobody(peer: Peer) -> None:
    async with peer.connect() as line, anyio.create_task_group() as tasks:
        channel = GrpcChannel(line, "token")
        for _ in range(MANY_CALLS + 2):
            tasks.start_soon(called, channel, a_call("add"))
            await peer.wait_for("begun")  # and so no bundle
        tasks.cancel_scope.cancel()


async def test_an_answer_that_is_too_large_for_a_message_fails_alone() -> None:
    async with open_subprocess_launcher(sweeps=False) as launcher:
        wanted = a_worker(LARGE_TOOLS, threads=32, message_bytes=2 * MIB)
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


def let_others_look_in(space: BufferSpace) -> None:
    """Makes the first directory such as no worker uses: what is large goes by message then."""
    Path(space.directories[0]).chmod(0o755)


async def called(channel: GrpcChannel, call: ToolCall) -> None:
    with suppress(WorkerCrashedError):  # the last of a bundle is not answered
        await channel.call(call)
