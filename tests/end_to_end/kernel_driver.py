"""Runs cells in a real kernel as a front end does, and tells what the front end was shown."""

import ast
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

BOUND = 60.0  # seconds; nothing here is expected to take more than a few

Message = dict[str, Any]
Output = tuple[str, dict[str, Any]]
"""A message's type and content."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A cell that was sent to its kernel."""

    client: BlockingKernelClient
    message_id: str
    outputs: list[Output] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    """All that the kernel said of it."""
    is_idle: bool = False
    peers: "dict[str, Running]" = field(default_factory=dict, repr=False)
    """All cells of the kernel: what is read for one may belong to another."""

    def wait_for(self, text: str) -> None:
        """Returns when the cell has shown this text."""
        self._read_until(lambda: self.is_idle or text in shown(self.outputs))
        assert text in shown(self.outputs), self.outputs

    def wait_late(self, condition: "Callable[[Running], bool]") -> None:
        """Returns when it is so, by what the cell shows also when the kernel is idle again."""
        self._read_until(lambda: condition(self))

    def finish(self) -> "Ran":
        """Returns when the kernel is idle again."""
        self._read_until(lambda: self.is_idle)
        deadline = time.monotonic() + BOUND
        while True:
            reply = self.client.get_shell_msg(timeout=deadline - time.monotonic())
            if reply["parent_header"].get("msg_id") == self.message_id:
                return Ran(outputs=tuple(joined(self.outputs)), reply=reply["content"])

    def asked(self) -> dict[str, Any]:
        """Returns what the cell asks for, once it does."""
        message: dict[str, Any] = self.client.get_stdin_msg(timeout=BOUND)
        assert message["parent_header"]["msg_id"] == self.message_id
        assert message["msg_type"] == "input_request"
        content: dict[str, Any] = message["content"]
        return content

    def answer(self, text: str) -> None:
        self.client.input(text)

    def _read_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOUND
        while not condition():
            message = self.client.get_iopub_msg(timeout=deadline - time.monotonic())
            running = self.peers.get(message["parent_header"].get("msg_id", ""))
            if running is not None:
                running._take(message)

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            self.is_idle = content["execution_state"] == "idle"
        elif kind != "execute_input":
            self.outputs.append((kind, content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a cell came to."""

    outputs: tuple[Output, ...]
    reply: Mapping[str, Any]

    @property
    def text(self) -> str:
        return shown(self.outputs)

    @property
    def status(self) -> str:
        status: str = self.reply["status"]
        return status

    @property
    def value(self) -> Any:  # noqa: ANN401 (any literal)
        """The value of the last expression, where it is a literal."""
        return ast.literal_eval(self.content("execute_result")["data"]["text/plain"])

    def content(self, kind: str) -> dict[str, Any]:
        """The content of the only output of this kind."""
        (content,) = (content for found, content in self.outputs if found == kind)
        return content


@dataclass(slots=True, kw_only=True)
class CommSent:
    """What a front end said by a comm."""

    client: BlockingKernelClient
    message_id: str

    def answers(self) -> list[Message]:
        """All that the kernel says of it until it is idle."""
        answers: list[Message] = []
        deadline = time.monotonic() + BOUND
        while True:
            message = self.client.get_iopub_msg(timeout=deadline - time.monotonic())
            if message["parent_header"].get("msg_id") != self.message_id:
                continue
            if message["msg_type"] != "status":
                answers.append(message)
            elif message["content"]["execution_state"] == "idle":
                return answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A running kernel."""

    manager: KernelManager
    client: BlockingKernelClient
    cells: dict[str, Running] = field(default_factory=dict, repr=False)

    @property
    def pid(self) -> int:
        pid: int = self.check("import os\nos.getpid()").value
        return pid

    def begin(
        self,
        code: str,
        *,
        store_history: bool = True,
        silent: bool = False,
        allow_stdin: bool = True,
    ) -> Running:
        return self.watch(
            self.client.execute(
                code, silent=silent, store_history=store_history, allow_stdin=allow_stdin
            )
        )

    def watch(self, message_id: str) -> Running:
        """Begins to note what answers to a message."""
        running = Running(client=self.client, message_id=message_id, peers=self.cells)
        self.cells[message_id] = running
        return running

    def run(self, code: str, *, store_history: bool = True) -> Ran:
        return self.begin(code, store_history=store_history).finish()

    def check(self, code: str) -> Ran:
        """Runs a cell that must not fail."""
        ran = self.run(code)
        assert ran.status == "ok", ran
        return ran

    def send_comm(
        self,
        comm_id: str,
        data: Mapping[str, Any],
        *,
        kind: str = "comm_msg",
        buffers: Sequence[bytes] = (),
        target_name: str = "",
    ) -> "CommSent":
        """Says something by a comm, as a widget in the front end does."""
        content = {"comm_id": comm_id, "data": data}
        if kind == "comm_open":
            content["target_name"] = target_name
        message = self.client.session.msg(kind, content)
        message["buffers"] = list(buffers)
        self.client.shell_channel.send(message)
        return CommSent(client=self.client, message_id=message["header"]["msg_id"])

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def worker_pids(self, pool: str = "default") -> dict[str, int]:
        found: dict[str, int] = self.check(
            f"import snakepit_nb\nsnakepit_nb.pool({pool!r}).wait_ready()\n"
            f"{{w.worker_id: w.pid for w in snakepit_nb.status({pool!r}).workers}}"
        ).value
        return found


@contextmanager
def open_kernel(directory: Path, *, name: str = "python3") -> Iterator[Kernel]:
    """Starts a kernel that works in this directory; behind the `with` it is gone."""
    environment = {**os.environ, "SNAKEPIT_NONINTERACTIVE": "1", "IPYTHONDIR": str(directory)}
    environment.pop("PYTEST_CURRENT_TEST", None)  # with it, ipykernel behaves otherwise
    manager, client = start_new_kernel(kernel_name=name, cwd=str(directory), env=environment)
    try:
        yield Kernel(manager=manager, client=client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def joined(outputs: list[Output]) -> Iterator[Output]:
    """Joins text with the text of the same stream that follows it, as front ends do."""
    name, text = "", ""
    for kind, content in outputs:
        if kind == "stream" and content["name"] == name:
            text += content["text"]
            continue
        if text:
            yield "stream", {"name": name, "text": text}
        name, text = "", ""
        if kind == "stream":
            name, text = content["name"], content["text"]
        else:
            yield kind, content
    if text:
        yield "stream", {"name": name, "text": text}


def shown(outputs: "list[Output] | tuple[Output, ...]") -> str:
    """All text of both streams and of tracebacks, without colours."""
    parts = []
    for kind, content in outputs:
        if kind == "stream":
            parts.append(content["text"])
        elif kind == "error":
            parts.append("\n".join(content["traceback"]) + "\n")
    return without_colours("".join(parts))


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
