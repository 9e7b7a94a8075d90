"""What the tests of a whole worker process ask it about itself."""

import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio.lowlevel

from snakepit_nb.worker import Adapter, tool


class Introspection(Adapter):
    @tool
    def modules(self) -> list[str]:
        return sorted(sys.modules)

    @tool
    def processes(self) -> dict[str, int]:
        return {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "group": os.getpgrp(),
            "session": os.getsid(0),
        }

    @tool
    def told(self) -> dict[str, str]:
        """Returns what others on this machine could read of this process."""
        return {
            "argv": " ".join(sys.orig_argv),
            "command line": Path("/proc/self/cmdline").read_text(),
            "environment": Path("/proc/self/environ").read_text(),
            "current environment": str(dict(os.environ)),
        }

    @tool
    def thread(self) -> str:
        return threading.current_thread().name

    @tool
    async def async_thread(self) -> str:
        await anyio.lowlevel.checkpoint()
        return threading.current_thread().name

    @tool
    def stream_threads(self) -> Iterator[str]:
        yield threading.current_thread().name

    @tool
    async def stream_threads_async(self) -> AsyncIterator[str]:
        yield threading.current_thread().name

    @tool
    def stdin(self) -> str:
        return sys.stdin.read()
