"""Tools that leave a mark outside their worker for every time that they begin and end."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.lowlevel

from snakepit_nb.worker import Adapter, tool

WORK_SECONDS = 0.003


class StormTools(Adapter):
    thread_safe = True

    @tool
    def once(self, marks: str, token: str) -> str:
        return _work(marks, token)

    @tool(idempotent=True)
    def again(self, marks: str, token: str) -> str:
        return _work(marks, token)

    @tool
    async def stream(self, marks: str, token: str) -> AsyncIterator[int]:
        _mark(marks, f"begun {token}")
        for number in range(3):
            yield number
            await anyio.lowlevel.checkpoint()
        _mark(marks, f"ended {token}")


def _work(marks: str, token: str) -> str:
    _mark(marks, f"begun {token}")
    time.sleep(WORK_SECONDS)
    _mark(marks, f"ended {token}")
    return token


def _mark(marks: str, line: str) -> None:
    """Appends a line; the system does so at once for each, whoever else writes and dies."""
    file = os.open(Path(marks), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)
