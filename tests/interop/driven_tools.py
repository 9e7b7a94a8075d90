"""The adapter of a worker that the original's host drives."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from snakepit_nb.worker import Adapter, host, tool


class DrivenTools(Adapter):
    thread_safe = True

    def __init__(self) -> None:
        self.together = threading.Barrier(2)

    @tool
    def echo(self, value: Any = None) -> Any:  # noqa: ANN401 (that is what it is about)
        """Returns what it was given."""
        return value

    @tool
    def odd(self, kind: str) -> object:
        return {
            "bytes": b"\x00\xff",
            "moment": datetime(2020, 1, 2, tzinfo=UTC),
            "object": {"here": object()},
        }[kind]

    @tool
    def ask(self, key: Any = None) -> Any:  # noqa: ANN401 (as above)
        return host.lookup(key=key)

    @tool
    async def ask_by_place(self) -> Any:  # noqa: ANN401 (as above)
        return await host.lookup.aio("x")

    @tool
    def host_tools(self) -> list[str]:
        return dir(host)

    @tool
    def fail(self) -> None:
        raise KeyError("missing")

    @tool
    def ids(self) -> dict[str, Any]:
        logging.getLogger("mine").error("in the tool")
        context = self.context
        return {
            "correlation": context.correlation_id,
            "session": context.session_id,
            "metadata": dict(context.metadata),
            "pid": os.getpid(),
            "group": os.getpgrp(),
        }

    @tool
    def meet(self) -> bool:
        """Returns when another call is here at the same time."""
        self.together.wait(5)
        return True

    @tool
    def sleep(self) -> Iterator[int]:
        yield 1
        time.sleep(60)

    @tool
    def count(self, to: int) -> Iterator[Any]:
        for number in range(to):
            yield {"number": number}

    @tool
    def mixed(self) -> Iterator[Any]:
        yield from ({"at": datetime(2020, 1, 2, tzinfo=UTC)}, "text", b"\x00", None, object())

    @tool
    def break_off(self) -> Iterator[int]:
        yield 1
        raise ValueError("in the middle")
