"""JupyterLab's debugger in the kernel "Python (snakepit)": it debugs the worker, as at home."""

import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from .kernel_driver import BOUND, Kernel, open_kernel

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("installed_kernel"),
]

CODE = "def double(number):\n    twice = 2 * number\n    return twice\nresult = double(4)\nresult"


class Debugging:
    """What JupyterLab says to a kernel's debugger, and hears of it."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._numbers = count(1)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 (the protocol's)
        client, number = self.kernel.client, next(self._numbers)
        content = {"type": "request", "seq": number, "command": command, "arguments": arguments}
        message = client.session.msg("debug_request", content)
        client.control_channel.send(message)
        while True:
            reply = client.get_control_msg(timeout=BOUND)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                answer: dict[str, Any] = reply["content"]
                return answer

    def begin(self) -> None:
        """Attaches, and sets a breakpoint in the second line of the code."""
        assert self.ask("initialize", clientID="test", adapterID="")["success"]
        assert self.ask("attach")["success"]
        path = self.ask("dumpCell", code=CODE)["body"]["sourcePath"]
        points = self.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])
        assert points["body"]["breakpoints"][0]["verified"]
        assert self.ask("configurationDone")["success"]

    def stopped(self) -> int:
        """Waits for the next stop, and returns its thread."""
        thread: int = self._event("stopped")["threadId"]
        return thread

    def go_on(self, thread: int) -> None:
        """Lets it run, and waits until the kernel knows that it does."""
        self.ask("continue", threadId=thread)
        self._event("continued")

    def _event(self, wanted: str) -> dict[str, Any]:
        deadline = time.monotonic() + BOUND
        while True:
            message = self.kernel.client.get_iopub_msg(timeout=deadline - time.monotonic())
            cell = self.kernel.cells.get(message["parent_header"].get("msg_id", ""))
            if cell is not None:
                cell._take(message)
            content = message["content"]
            if message["msg_type"] == "debug_event" and content["event"] == wanted:
                body: dict[str, Any] = content["body"]
                return body

    def frames(self, thread: int) -> list[tuple[str, str, int]]:
        found = self.ask("stackTrace", threadId=thread)["body"]["stackFrames"]
        return [
            (re.sub(r"_\d+/", "_PID/", each["source"]["path"]), each["name"], each["line"])
            for each in found
        ]

    def names(self, command: str, **arguments: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 (as above)
        found = self.ask(command, **arguments)["body"]["variables"]
        return [(each["name"], each["type"], each["value"]) for each in found]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debugging]:
    with open_kernel(tmp_path_factory.mktemp("ours"), name="snakepit") as opened:
        yield Debugging(opened)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debugging]:
    with open_kernel(tmp_path_factory.mktemp("plain")) as opened:
        yield Debugging(opened)


def transcript(debugging: Debugging) -> Iterator[object]:
    """What a user sees who stops in a function, steps on and looks at variables."""
    kernel = debugging.kernel
    kernel.check("mine = {'key': [1, 2]}")
    debugging.begin()
    cell = kernel.begin(CODE)
    thread = debugging.stopped()
    yield debugging.frames(thread)
    frame = debugging.ask("stackTrace", threadId=thread)["body"]["stackFrames"][0]["id"]
    (scope, *_) = debugging.ask("scopes", frameId=frame)["body"]["scopes"]
    yield debugging.names("variables", variablesReference=scope["variablesReference"])
    yield debugging.ask("richInspectVariables", variableName="number", frameId=frame)["body"]
    debugging.ask("next", threadId=thread)
    yield debugging.frames(debugging.stopped())
    debugging.go_on(thread)
    yield cell.finish().value
    found = debugging.ask("inspectVariables")["body"]["variables"]
    yield [(each["name"], each["value"]) for each in found if each["name"] in ("mine", "result")]
    (reference,) = (each["variablesReference"] for each in found if each["name"] == "mine")
    yield debugging.names("variables", variablesReference=reference)
    yield debugging.ask("richInspectVariables", variableName="mine")["body"]
    yield debugging.ask("richInspectVariables", variableName="no name")["body"]
    yield debugging.ask("disconnect")["success"]


def test_it_stops_steps_and_shows_variables_as_in_the_plain_kernel(
    ours: Debugging, plain: Debugging
) -> None:
    seen = list(transcript(ours))

    assert seen == list(transcript(plain))
    assert seen[4] == 8  # so it was seen to its end


def test_a_stop_leaves_alone_what_answers_for_the_worker(ours: Debugging) -> None:
    ours.begin()
    cell = ours.kernel.begin(CODE)
    thread = ours.stopped()

    names = {each["name"] for each in ours.ask("threads")["body"]["threads"]}
    assert not names & {"grpc", "output-pump", "parent-watch"}
    ours.go_on(thread)
    assert cell.finish().value == 8
    ours.ask("disconnect")


def test_behind_a_crash_it_says_so_and_begins_anew(ours: Debugging) -> None:
    ours.begin()
    assert ours.kernel.run("import os\nos._exit(1)").reply["ename"] == "WorkerCrashedError"

    assert ours.ask("threads") | {"seq": 0, "request_seq": 0} == {
        "type": "response",
        "command": "threads",
        "success": False,
        "message": "The worker is gone.",
        "seq": 0,
        "request_seq": 0,
    }
    ours.ask("disconnect")
    ours.begin()
    cell = ours.kernel.begin(CODE)
    ours.go_on(ours.stopped())
    assert cell.finish().value == 8


def test_variables_do_not_wait_for_a_cell_that_runs(ours: Debugging) -> None:
    cell = ours.kernel.begin("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    cell.wait_for("begun")

    assert ours.ask("inspectVariables")["body"] == {"variables": []}
    ours.kernel.interrupt()
    assert cell.finish().reply["ename"] == "KeyboardInterrupt"
