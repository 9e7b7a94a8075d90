"""A real kernel to measure in: sends cells as a front end does and times them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

TIMEOUT = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """What came of one cell."""

    seconds: float
    """From the request to the kernel's being idle again."""
    messages: tuple[dict[str, Any], ...]
    iopub_bytes: int

    @property
    def text(self) -> str:
        return "".join(
            message["content"]["text"]
            for message in self.messages
            if message["msg_type"] == "stream"
        )

    @property
    def value(self) -> str:
        return "".join(
            message["content"]["data"]["text/plain"]
            for message in self.messages
            if message["msg_type"] == "execute_result"
        )


class Kernel:
    """A running kernel."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client

    def run(self, code: str) -> CellRun:
        """Runs a cell and returns what came of it.

        Raises:
            RuntimeError: it failed.
        """
        begun = time.perf_counter()
        message_id = self._client.execute(code)
        messages: list[dict[str, Any]] = []
        size = 0
        while True:
            frames = self._client.iopub_channel.socket.recv_multipart()
            message = self._client.session.deserialize(
                self._client.session.feed_identities(frames)[1]
            )
            if message["parent_header"].get("msg_id") != message_id:
                continue
            size += sum(map(len, frames))
            if message["content"].get("execution_state") == "idle":
                break
            messages.append(message)
        seconds = time.perf_counter() - begun
        reply = self._client.get_shell_msg(timeout=TIMEOUT)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))
        return CellRun(seconds=seconds, messages=tuple(messages), iopub_bytes=size)


@contextmanager
def open_kernel() -> Iterator[Kernel]:
    """Starts a kernel, and ends it and all its workers."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
