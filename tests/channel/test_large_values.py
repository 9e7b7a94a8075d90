"""What is large comes and goes with its type, whichever way it takes, and leaves nothing behind."""

import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pandas as pd
import pytest

from snakepit_nb.calls import CellCall, CellEvent
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from snakepit_nb.launch.runtime_directory import SHARED_MEMORY
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker
from snakepit_nb.wire.buffers import BufferSpace
from snakepit_nb.wire.frames import LARGE
from tests import making
from tests.making import a_call, a_worker, numbers

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

MIB = 1024 * 1024
MESSAGE_BYTES = 2 * MIB
ROUNDS = 60
Way = tuple[SubprocessWorker, GrpcChannel]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@asynccontextmanager
async def open_way(shared_memory: Path = SHARED_MEMORY) -> AsyncIterator[Way]:
    async with open_subprocess_launcher(sweeps=False, shared_memory=shared_memory) as launcher:
        worker = await launcher.launch(
            a_worker(__file__, "large_tools:LargeTools", message_bytes=MESSAGE_BYTES)
        )
        async with open_grpc_channel(
            address=worker.announcement.address,
            token=worker.token,
            message_bytes=MESSAGE_BYTES,
            buffers=worker.buffers,
        ) as channel:
            yield worker, channel


@pytest.fixture(scope="module")
async def way() -> AsyncIterator[Way]:
    async with open_way() as opened:
        yield opened


def left(space: BufferSpace) -> list[str]:
    begin = f"{space.worker}-"
    listed = itertools.chain.from_iterable(map(os.listdir, space.directories))
    return [name for name in listed if name.startswith(begin)]


async def echoed(channel: GrpcChannel, value: object) -> Any:  # noqa: ANN401
    return (await channel.call(a_call("echo", value=value))).value


def arrays() -> Iterator[Any]:
    rng = np.random.default_rng(0)
    for dtype in "?bBhHiIlLqQefdgFDG":
        yield rng.integers(0, 100, 70_000).astype(dtype)
    yield np.arange(70_000).astype("M8[ns]")
    yield np.arange(70_000).astype("m8[s]")
    yield np.arange(70_000).astype("S8")
    yield np.arange(70_000).astype("U8")
    yield np.arange(70_000).astype(">f8")
    yield np.zeros(20_000, [("a", "i4"), ("b", "f8", (2,))])
    square = rng.random((400, 400))
    yield np.asfortranarray(square)
    yield square[::2, ::3]
    yield square[:, 0]
    yield square.T[5:]
    yield np.broadcast_to(square[0], (300, 400))
    yield np.zeros((0, 100_000))
    yield np.array(7.5)


@pytest.mark.parametrize(
    "array", list(arrays()), ids=lambda array: f"{next(numbers)}-{array.dtype.str}"
)
async def test_arrays_come_back(way: Way, array: "np.ndarray[Any, Any]") -> None:
    worker, channel = way

    answer = await echoed(channel, array)

    assert (answer.dtype, answer.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(answer, array)
    assert answer.flags.writeable
    assert answer.flags.owndata
    assert answer.flags.f_contiguous == (array.flags.f_contiguous or answer.ndim < 2)
    assert left(worker.buffers) == []


def values() -> Iterator[Any]:
    for length in (LARGE - 1, LARGE, LARGE + 1, 5 * MIB):
        yield bytes(length)
        yield bytearray(length)
        yield np.zeros(length, "u1")
    yield {"nested": [{"deep": (np.arange(100_000), b"x" * 100_000)}, "small", np.arange(3)]}
    yield list(range(400_000))
    yield "ü" * (3 * MIB)


@pytest.mark.parametrize(
    "value", list(values()), ids=lambda value: f"{type(value).__name__}-{len(value)}"
)
async def test_values_come_back_with_their_types(way: Way, value: object) -> None:
    worker, channel = way

    answer = await echoed(channel, value)

    assert type(answer) is type(value)
    np.testing.assert_equal(answer, value)
    assert left(worker.buffers) == []


async def test_tables_come_back(way: Way) -> None:
    _, channel = way
    frame = pd.DataFrame(
        {
            "numbers": np.arange(100_000),
            "texts": [f"row {number}" for number in range(100_000)],
            "kinds": pd.Categorical(["a", "b"] * 50_000),
            "times": pd.date_range("2026-01-01", periods=100_000, tz="Europe/Zurich"),
        }
    )

    answer = await echoed(channel, frame)

    pd.testing.assert_frame_equal(answer, frame)
    answer.loc[0, "numbers"] = 5


async def test_arrow_tables_come_back(way: Way) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    _, channel = way
    table = pyarrow.table({"x": range(200_000), "y": [str(number) for number in range(200_000)]})

    assert (await echoed(channel, table)).equals(table)


async def test_cells_take_and_return_large_variables(way: Way) -> None:
    worker, channel = way
    array = np.arange(500_000.0)
    number = next(numbers)
    cell = CellCall(
        call_id=CallId(f"cell-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        session_id=SessionId("s"),
        code="y = x * 2; z = f(x)",
        inputs={"x": array, "f": lambda given, offset=array: given + offset},
        returns=("y", "z"),
    )

    reply = await channel.run_cell(cell, drop)

    assert reply.error is None
    np.testing.assert_array_equal(reply.returns["y"], array * 2)
    np.testing.assert_array_equal(reply.returns["z"], array * 2)
    assert left(worker.buffers) == []


async def test_a_stream_of_large_chunks_waits_for_its_reader(way: Way) -> None:
    worker, channel = way
    seen = 0
    async with aclosing(channel.stream(a_call("arrays", count=40, length=10 * MIB))) as chunks:
        async for chunk in chunks:
            if not chunk.is_final:
                assert chunk.data[0] == seen
                assert chunk.bytes > 10 * MIB
                seen += 1
            if seen < 3:
                await anyio.sleep(0.2)
                assert len(left(worker.buffers)) <= 8
    assert seen == 40
    assert left(worker.buffers) == []


async def test_what_a_stream_yields_before_it_fails_is_read(way: Way) -> None:
    worker, channel = way
    read: list[object] = []

    async def read_all() -> None:
        async with aclosing(channel.stream(a_call("array_then_fail"))) as chunks:
            async for chunk in chunks:
                read.append(chunk.data)
                await anyio.sleep(0.2)

    with pytest.raises(ValueError, match="in the middle"):
        await read_all()

    assert len(read) == 3
    assert left(worker.buffers) == []


async def test_nothing_is_left_of_a_stream_that_nobody_reads_on(way: Way) -> None:
    worker, channel = way
    call = a_call("arrays", count=1000, length=MIB)
    async with aclosing(channel.stream(call)) as chunks:
        await anext(chunks)

    await channel.wait_stopped(call.call_id)

    assert left(worker.buffers) == []


async def test_a_chunk_that_is_gone_ends_its_stream_and_nothing_else(way: Way) -> None:
    worker, channel = way

    async def read_all() -> None:
        call = a_call("arrays", count=1000, length=MIB)
        async with aclosing(channel.stream(call)) as chunks:
            async for _ in chunks:
                for name in left(worker.buffers):
                    for directory in map(Path, worker.buffers.directories):
                        (directory / name).unlink(missing_ok=True)

    with pytest.raises(ValueEncodingError, match="A buffer is gone"):
        await read_all()

    assert left(worker.buffers) == []
    assert (await channel.call(a_call("length", value=bytes(MIB)))).value == MIB


@pytest.mark.parametrize("cell", [None, "sp-cell"])
async def test_nothing_is_left_of_calls_that_are_cancelled_at_any_time(
    way: Way, monkeypatch: pytest.MonkeyPatch, cell: CorrelationId | None
) -> None:
    monkeypatch.setattr(making, "shared_id", cell)
    worker, channel = way
    value = np.zeros(2 * MIB, "u1")
    for number in range(ROUNDS):
        call = a_call("echo", value=value)
        with anyio.move_on_after(0.0005 * number):
            await channel.call(call)
        await channel.wait_stopped(call.call_id)
        with anyio.fail_after(5):  # a thread that wrote when it was cancelled, cleans up itself
            while left(worker.buffers):  # noqa: ASYNC110 (the other process has no event)
                await anyio.sleep(0.001)


async def test_nothing_is_left_when_a_call_is_refused(way: Way) -> None:
    worker, channel = way

    with pytest.raises(ValueEncodingError, match="unsendable"):
        await channel.call(a_call("unsendable", value=np.zeros(MIB, "u1")))

    assert left(worker.buffers) == []


async def test_nothing_is_left_of_a_worker_that_was_killed() -> None:
    async with open_way() as (worker, channel):
        with pytest.raises(Exception, match="gone"):
            await channel.call(a_call("end_with", value=np.zeros(MIB, "u1")))
        await worker.wait()

        assert left(worker.buffers) == []


async def test_the_directory_is_private_and_goes_with_the_launcher() -> None:
    async with open_way() as (worker, _):
        directories = [Path(directory) for directory in worker.buffers.directories]
        assert [each.stat().st_mode & 0o777 for each in directories] == [0o700] * len(directories)
    assert not any(map(Path.exists, directories))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
async def test_neither_end_gathers_descriptors_or_mappings(way: Way) -> None:
    worker, channel = way

    def counted() -> list[int]:
        pids = (os.getpid(), worker.pid)
        descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]  # noqa: PTH208
        maps = [Path(f"/proc/{pid}/maps").read_text().count("\n") for pid in pids]
        return descriptors + maps

    value = {"array": np.zeros(MIB, "u1"), "bytes": bytes(MIB)}
    for _ in range(5):
        await echoed(channel, value)
    before = counted()
    for _ in range(50):
        await echoed(channel, value)

    grown = [after - earlier for after, earlier in zip(counted(), before, strict=True)]
    assert grown[:2] == [0, 0]
    assert max(grown[2:]) < 10


async def test_without_shared_memory_a_file_in_the_runtime_directory_does(tmp_path: Path) -> None:
    async with open_way(tmp_path / "none") as (worker, channel):
        value = np.arange(10 * MIB, dtype="u1")

        np.testing.assert_array_equal(await echoed(channel, value), value)

        assert len(worker.buffers.directories) == 1
        assert left(worker.buffers) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607


async def test_what_does_not_fit_into_shared_memory_takes_another_way(small: Path) -> None:
    async with open_way(small) as (worker, channel):
        assert len(worker.buffers.directories) == 2
        for size in (MIB, 3 * MIB, 20 * MIB):
            value = np.arange(size, dtype="u1")

            np.testing.assert_array_equal(await echoed(channel, value), value)

        assert left(worker.buffers) == []


async def test_where_nothing_has_room_messages_do_and_then_an_error_says_so(small: Path) -> None:
    async with open_way() as (worker, _):
        (small / "buffers").mkdir(mode=0o700)
        (small / "full").write_bytes(bytes(5 * MIB))
        space = BufferSpace(directories=(str(small / "buffers"),), worker=1)
        async with open_grpc_channel(
            address=worker.announcement.address,
            token=worker.token,
            message_bytes=MESSAGE_BYTES,
            buffers=space,
        ) as channel:
            assert (await channel.call(a_call("length", value=bytes(MIB)))).value == MIB
            with pytest.raises(ValueEncodingError, match=r"message_bytes.*no room"):
                await channel.call(a_call("length", value=bytes(3 * MIB)))


async def test_other_calls_go_on_while_a_large_one_is_copied(way: Way) -> None:
    _, channel = way
    value = np.zeros(60 * MIB, "u1")
    answered = 0
    async with anyio.create_task_group() as tasks:

        async def large() -> None:
            await echoed(channel, value)
            tasks.cancel_scope.cancel()

        tasks.start_soon(large)
        while not tasks.cancel_scope.cancel_called:
            await anyio.to_thread.run_sync(partial(int, 1))
            answered += 1
    assert answered > 3


async def drop(_: CellEvent) -> None:
    pass
