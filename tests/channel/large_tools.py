"""Tools that take and give much."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np

from snakepit_nb.worker import Adapter, tool

MIB = 1024 * 1024


class LargeTools(Adapter):
    thread_safe = True

    @tool
    def zeros(self, size: int) -> bytes:
        return bytes(size)

    @tool
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        return value

    @tool
    def length(self, value: bytes) -> int:
        return len(value)

    @tool
    def unsendable(self, value: Any) -> object:  # noqa: ANN401
        def unsendable() -> object:
            return value

        return [value, unsendable]

    @tool
    def end_with(self, value: Any) -> None:  # noqa: ANN401, ARG002
        os.kill(os.getpid(), signal.SIGKILL)

    @tool
    def arrays(self, count: int, length: int) -> Iterator[Any]:
        for number in range(count):
            yield np.full(length, number, "u1")

    @tool
    def array_then_fail(self) -> Iterator[Any]:
        for _ in range(3):
            yield np.zeros(MIB, "u1")
        raise ValueError("in the middle")
