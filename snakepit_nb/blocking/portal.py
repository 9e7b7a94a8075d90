"""The one thread of this process on which every pool and every gRPC object lives."""

import threading
from concurrent.futures import Future

import anyio
from anyio.from_thread import BlockingPortal

_opening = threading.Lock()
_opened: list[BlockingPortal] = []


def portal() -> BlockingPortal:
    """Returns the way to that thread; the first call starts it. It ends with the process."""
    with _opening:
        if not _opened:
            _opened.append(_start())
        return _opened[0]


def _start() -> BlockingPortal:
    started: Future[BlockingPortal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as opened:
            started.set_result(opened)
            await opened.sleep_until_stopped()

    # A daemon: an interpreter that exits must not wait for pools that nobody stopped.
    threading.Thread(
        target=anyio.run, args=(serve,), kwargs={"backend": "asyncio"}, name="snakepit", daemon=True
    ).start()
    return started.result()
