import asyncio
from threading import Event, Thread

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from snakepit_nb.worker.outbox import Outbox


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # a worker serves on it


async def test_items_come_out_in_order_whoever_put_them() -> None:
    outbox = open_outbox(limit=10)
    loop = asyncio.get_running_loop()

    def put() -> None:
        for number in range(1000):
            outbox.put(number)
        loop.call_soon_threadsafe(outbox.close)

    putting = Thread(target=put)
    putting.start()
    taken: list[int] = []
    with anyio.fail_after(5):
        while items := await outbox.take():
            taken += items
    putting.join()

    assert taken == list(range(1000))


async def test_whoever_puts_into_a_full_outbox_waits() -> None:
    outbox = open_outbox(limit=5)
    full, done = Event(), Event()

    def put() -> None:
        outbox.put(1, weight=4)
        outbox.put(2, weight=4)  # there was room for some of it
        full.set()
        outbox.put(3)
        done.set()

    putting = Thread(target=put, daemon=True)
    putting.start()
    assert await anyio.to_thread.run_sync(full.wait, 5)
    assert not done.wait(0.05)

    with anyio.fail_after(5):
        assert await outbox.take() == [1, 2]
        assert await outbox.take() == [3]
    assert await anyio.to_thread.run_sync(done.wait, 5)


async def test_closing_lets_go_who_waits_and_keeps_what_is_in() -> None:
    outbox = open_outbox(limit=1)
    done = Event()

    def put() -> None:
        outbox.put(1)
        outbox.put(2)  # waits, and is dropped
        done.set()

    Thread(target=put, daemon=True).start()
    with anyio.fail_after(5):
        assert await outbox.wait_filled()
        outbox.close()
        await outbox.wait_urgent()
        assert await anyio.to_thread.run_sync(done.wait, 5)
        outbox.put(3)
        assert await outbox.take() == [1]
        assert await outbox.take() == []
        assert not await outbox.wait_filled()


async def test_who_must_not_block_waits_for_room_on_its_own_loop() -> None:
    outbox = open_outbox(limit=1)
    seen: list[str] = []

    async def put_all() -> None:
        loop = asyncio.get_running_loop()
        for number in range(3):
            await outbox.wait_room(loop.call_soon_threadsafe)
            outbox.put(number)
            seen.append(f"put {number}")
        await outbox.wait_room(loop.call_soon_threadsafe)  # nobody makes room, but it is closed
        seen.append("closed")

    putting = Thread(target=asyncio.run, args=(put_all(),))
    putting.start()
    with anyio.fail_after(5):
        for number in range(2):
            assert await outbox.take() == [number]
        assert await outbox.wait_filled()
    outbox.close()
    await anyio.to_thread.run_sync(putting.join, 5)

    assert seen == ["put 0", "put 1", "put 2", "closed"]
    assert outbox.take_now() == [2]


def open_outbox(limit: int) -> Outbox[int]:
    loop = anyio.lowlevel.current_token().native_token
    return Outbox(loop.call_soon_threadsafe, limit=limit)  # type: ignore[attr-defined]


async def test_who_waits_for_more_to_come_is_woken_by_what_is_urgent() -> None:
    outbox = open_outbox(limit=10)
    outbox.put(1)

    with anyio.fail_after(5):
        with anyio.move_on_after(0.05) as waiting:
            await outbox.wait_urgent()
        outbox.offer(2, is_urgent=True)
        await outbox.wait_urgent()
        assert outbox.take_now() == [1, 2]
        with anyio.move_on_after(0.05) as waiting_again:
            await outbox.wait_urgent()

    assert waiting.cancelled_caught
    assert waiting_again.cancelled_caught
