"""Tools in a real worker process of the thread profile."""

import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.abc
import grpc.aio
import pytest
from psutil import Process

from snakepit_nb.calls import ToolCall
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import SnakepitError, ToolError, WorkerStartError
from snakepit_nb.identifiers import TOKEN_HEADER
from snakepit_nb.launch.subprocess_launcher import SubprocessLauncher, open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from tests.making import MESSAGE_BYTES, a_call, a_worker
from tests.waiting import until_async

from .calling import at_once, items
from .thread_tools import AT_ONCE

pytestmark = pytest.mark.process

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@pytest.fixture(scope="module")
async def launcher() -> AsyncIterator[SubprocessLauncher]:
    async with open_subprocess_launcher() as opened:
        yield opened


@pytest.fixture(scope="module")
async def worker(launcher: SubprocessLauncher) -> SubprocessWorker:
    return await launcher.launch(a_worker(__file__, "thread_tools:ThreadTools", threads=AT_ONCE))


@pytest.fixture(scope="module")
async def channel(worker: SubprocessWorker) -> AsyncIterator[GrpcChannel]:
    async with open_grpc_channel(
        address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
    ) as opened:
        yield opened


async def test_the_worker_announces_as_many_calls_as_it_has_threads(
    worker: SubprocessWorker,
) -> None:
    assert worker.announcement.capacity == AT_ONCE


async def test_plain_tools_run_at_once_each_in_a_thread(channel: GrpcChannel) -> None:
    results = await at_once([lambda: channel.call(a_call("meet"))] * AT_ONCE)

    names = {result.value for result in results}
    assert len(names - {"MainThread"}) == AT_ONCE


async def test_async_tools_run_at_once_on_one_loop(channel: GrpcChannel) -> None:
    results = await at_once([lambda: channel.call(a_call("meet_async"))] * AT_ONCE)
    loops = await at_once([lambda: channel.call(a_call("loop"))] * AT_ONCE)

    assert {result.value for result in results} == {"MainThread"}
    assert len({result.value for result in loops}) == 1


async def test_plain_streams_run_at_once_each_in_one_thread(channel: GrpcChannel) -> None:
    streams = await at_once([lambda: items(channel, a_call("meet_in_stream"))] * AT_ONCE)

    assert [len(stream) for stream in streams] == [3] * AT_ONCE
    assert len({tuple(sorted(set(map(str, stream)))) for stream in streams}) == AT_ONCE


async def test_async_streams_run_at_once(channel: GrpcChannel) -> None:
    streams = await at_once([lambda: items(channel, a_call("meet_in_stream_async"))] * AT_ONCE)

    assert streams == [["MainThread"]] * AT_ONCE


async def test_an_async_stream_that_nobody_reads_holds_up_no_other(channel: GrpcChannel) -> None:
    async with aclosing(channel.stream(a_call("count", to=100_000))) as stream:
        assert (await anext(stream)).data == 0
        with anyio.fail_after(10):
            for _ in range(20):
                await channel.call(a_call("loop"))

    assert await items(channel, a_call("count", to=1000)) == list(range(1000))


async def test_no_more_calls_run_at_once_than_there_are_threads(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    notes = [tmp_path / str(number) for number in range(AT_ONCE + 1)]

    async def hold(note: Path) -> None:
        await channel.call(a_call("hold", note=str(note)))

    async with anyio.create_task_group() as tasks:
        for note in notes[:-1]:
            tasks.start_soon(hold, note)
        await until_async(lambda: all(has_begun(note) for note in notes[:-1]))
        tasks.start_soon(hold, notes[-1])
        await channel.tools()
        assert not has_begun(notes[-1])
        notes[0].touch()
        await until_async(lambda: has_begun(notes[-1]))
        for note in notes:
            note.touch()


async def test_a_ping_is_answered_while_all_threads_are_blocked(
    channel: GrpcChannel, worker: SubprocessWorker, tmp_path: Path
) -> None:
    notes = [tmp_path / str(number) for number in range(AT_ONCE)]
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    async with (
        grpc.aio.secure_channel(worker.announcement.address, credentials) as line,
        anyio.create_task_group() as tasks,
    ):
        for note in notes:
            tasks.start_soon(channel.call, a_call("hold", note=str(note)))
        await until_async(lambda: all(map(has_begun, notes)))

        stub = snakepit_bridge_pb2_grpc.BridgeServiceStub(line)
        answer = await stub.Ping(
            bridge.PingRequest(message="there?"),
            metadata=((TOKEN_HEADER, worker.token),),
            timeout=5,
        )

        assert answer.message == "there?"
        for note in notes:
            note.touch()


async def test_cancelling_an_async_call_hits_none_beside_it(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    notes = [tmp_path / str(number) for number in range(AT_ONCE)]
    calls = [a_call("wait_for_ever", note=str(note)) for note in notes]
    async with anyio.create_task_group() as tasks:
        scopes = [cancellable(channel, call, tasks) for call in calls]
        await until_async(lambda: all(map(has_begun, notes)))

        for number, scope in enumerate(scopes):
            scope.cancel()
            with anyio.fail_after(5):
                await channel.wait_stopped(calls[number].call_id)
            assert [has_ended(note) for note in notes].count(True) == number + 1


async def test_a_plain_call_sees_that_it_is_cancelled_and_none_beside_it_does(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    hit, spared = tmp_path / "hit", tmp_path / "spared"
    call = a_call("until_cancelled", note=str(hit))
    values: list[object] = []

    async def beside() -> None:
        values.append((await channel.call(a_call("hold", note=str(spared)))).value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beside)
        scope = cancellable(channel, call, tasks)
        await until_async(lambda: has_begun(hit) and has_begun(spared))
        scope.cancel()
        with anyio.fail_after(5):
            await channel.wait_stopped(call.call_id)
        assert has_ended(hit)
        spared.touch()

    assert values == ["cancelled: False"]


async def test_a_plain_call_that_goes_on_is_stopped_when_it_has_ended(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    note = tmp_path / "stubborn"
    call = a_call("hold", note=str(note))
    async with anyio.create_task_group() as tasks:
        scope = cancellable(channel, call, tasks)
        await until_async(lambda: has_begun(note))
        scope.cancel()
        stopped = anyio.Event()

        async def wait() -> None:
            await channel.wait_stopped(call.call_id)
            stopped.set()

        tasks.start_soon(wait)
        await channel.tools()
        assert not stopped.is_set()
        note.touch()
        with anyio.fail_after(5):
            await stopped.wait()


async def test_a_call_that_is_cancelled_before_its_turn_never_runs(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    notes = [tmp_path / str(number) for number in range(AT_ONCE)]
    late = tmp_path / "late"
    async with anyio.create_task_group() as tasks:
        for note in notes:
            tasks.start_soon(channel.call, a_call("hold", note=str(note)))
        await until_async(lambda: all(map(has_begun, notes)))
        call = a_call("hold", note=str(late))
        scope = cancellable(channel, call, tasks)
        await channel.tools()
        scope.cancel()
        with anyio.fail_after(5):
            await channel.wait_stopped(call.call_id)
        for note in notes:
            note.touch()

    assert not has_begun(late)


async def test_a_call_that_comes_behind_its_interrupt_never_runs(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    call = a_call("wait_for_ever", note=str(tmp_path / "late"))
    await channel.interrupt(call.call_id)
    for _ in range(100):  # interrupts that come behind the ends of their calls
        await channel.interrupt(new_call_id())

    with pytest.raises(ToolError) as caught:
        await channel.call(call)

    assert caught.value.remote_type == "KeyboardInterrupt"
    assert not has_begun(tmp_path / "late")


@pytest.mark.slow
async def test_cancelled_calls_leave_no_memory_behind(channel: GrpcChannel) -> None:
    async def cancel_many(times: int) -> int:
        for _ in range(times // AT_ONCE):
            async with anyio.create_task_group() as tasks:
                calls = [a_call("wait") for _ in range(AT_ONCE)]
                scopes = [cancellable(channel, call, tasks) for call in calls]
                await channel.ping()
                for scope in scopes:
                    scope.cancel()
            for call in calls:
                await channel.wait_stopped(call.call_id)
        gc.collect()
        return Process().memory_info().rss

    before = await cancel_many(600)
    assert await cancel_many(2000) - before < MIB  # were they cancelled in gRPC, over 2 MiB


@pytest.mark.parametrize(
    ("tool", "error"), [("interrupt_itself", "KeyboardInterrupt"), ("leave", "SystemExit")]
)
async def test_what_is_no_exception_ends_its_call_and_none_beside_it(
    channel: GrpcChannel, tmp_path: Path, tool: str, error: str
) -> None:
    note = tmp_path / "beside"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.call, a_call("hold", note=str(note)))
        await until_async(lambda: has_begun(note))
        with pytest.raises(ToolError) as caught:
            await channel.call(a_call(tool))
        note.touch()

    assert caught.value.remote_type == error


async def test_adapters_that_do_not_say_they_are_safe_are_refused(
    launcher: SubprocessLauncher,
) -> None:
    spec = a_worker(
        __file__,
        "thread_tools:ThreadTools",
        "thread_tools:CarelessTools",
        "thread_tools:RecklessTools",
        threads=2,
    )
    with pytest.raises(WorkerStartError) as caught:
        await launcher.launch(spec)

    assert "UsageError: adapters CarelessTools, RecklessTools:" in str(caught.value)
    assert "`thread_safe = True`" in str(caught.value)


async def test_a_worker_ends_in_good_order_while_calls_wait(
    launcher: SubprocessLauncher, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    worker = await launcher.launch(a_worker(__file__, "thread_tools:ThreadTools", threads=2))
    async with (
        open_grpc_channel(
            address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
        ) as channel,
        anyio.create_task_group() as tasks,
    ):

        async def wait() -> None:
            with pytest.raises(SnakepitError):
                await channel.call(a_call("wait_for_ever", note=str(note)))

        tasks.start_soon(wait)
        await until_async(lambda: has_begun(note))
        assert (await worker.stop(grace=5)).exit_code == 0

    assert has_ended(note)


def cancellable(
    channel: GrpcChannel, call: ToolCall, tasks: anyio.abc.TaskGroup
) -> anyio.CancelScope:
    scope = anyio.CancelScope()

    async def run() -> None:
        with scope:
            await channel.call(call)

    tasks.start_soon(run)
    return scope


def has_begun(note: Path) -> bool:
    return note.with_suffix(".begun").exists()


def has_ended(note: Path) -> bool:
    return note.with_suffix(".ended").exists()
