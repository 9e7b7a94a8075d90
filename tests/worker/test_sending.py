"""What calls send through shared memory is kept until it is taken, and no longer than wanted."""

from pathlib import Path

import anyio
import pytest

from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.buffers import BufferEnd, BufferSpace, Outgoing, Side
from snakepit_nb.wire.values import decode_value, encode_value
from snakepit_nb.worker.sending import Sending

CALL = CallId("call")
BIG = b"x" * 100_000


@pytest.fixture
def space(tmp_path: Path) -> BufferSpace:
    return BufferSpace(directories=(str(tmp_path),), worker=1)


@pytest.fixture
def sending(space: BufferSpace) -> Sending:
    return Sending(BufferEnd(space, Side.WORKER))


def send(outgoing: Outgoing) -> bytes:
    data = encode_value(BIG, outgoing)
    assert outgoing.write()
    return data


def left(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


async def test_what_a_call_has_sent_stays_until_it_is_taken(
    sending: Sending, space: BufferSpace, tmp_path: Path
) -> None:
    with sending.of(CALL) as outgoing:
        data = send(outgoing)

    assert decode_value(data, BufferEnd(space, Side.KERNEL)) == BIG
    assert not left(tmp_path)


async def test_what_was_sent_before_an_error_stays(sending: Sending, tmp_path: Path) -> None:
    def fail() -> None:
        with sending.of(CALL) as outgoing:
            send(outgoing)
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()

    assert len(left(tmp_path)) == 1


async def test_of_a_call_that_is_cancelled_nothing_stays(sending: Sending, tmp_path: Path) -> None:
    with anyio.CancelScope() as scope, sending.of(CALL) as outgoing:
        send(outgoing)
        scope.cancel()
        await anyio.sleep_forever()

    assert not left(tmp_path)


async def test_a_call_is_forgotten_once_it_sends_no_more(sending: Sending, tmp_path: Path) -> None:
    forgotten = anyio.Event()

    async def forget() -> None:
        await sending.forget(CALL)
        forgotten.set()

    async with anyio.create_task_group() as tasks:
        with sending.of(CALL) as outgoing:
            tasks.start_soon(forget)
            await anyio.wait_all_tasks_blocked()
            send(outgoing)
            assert not forgotten.is_set()
        await forgotten.wait()

    assert not left(tmp_path)
    await sending.forget(CALL)


async def test_a_call_that_comes_after_it_was_forgotten_leaves_nothing(
    sending: Sending, tmp_path: Path
) -> None:
    await sending.forget(CALL)

    with sending.of(CALL) as outgoing:
        send(outgoing)

    assert not left(tmp_path)


async def test_only_what_is_not_taken_is_remembered(sending: Sending, space: BufferSpace) -> None:
    end = BufferEnd(space, Side.KERNEL)
    for number in range(5):
        with sending.of(CallId(f"call-{number}")) as outgoing:
            data = send(outgoing)
        decode_value(data, end)

    assert len(sending._untaken) == 1
