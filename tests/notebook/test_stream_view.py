"""A real ipykernel, and the front end's part played by a client that sends what browsers send."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(60)]

Message = dict[str, Any]

WAITING_STREAM = """
import threading
from ipywidgets import Widget
from snakepit_nb.blocking.stream_view import Shown, open_stream_view
from snakepit_nb.calls import ToolChunk

cancelled = threading.Event()

def train():
    yield ToolChunk(number=0, data={"progress": 0.5, "epoch": 3, "note": "<script>"})
    assert cancelled.wait(30), "nobody cancelled"

shown = Shown(tool_name="train", correlation_id="sp-17", cancel=cancelled.set)
with open_stream_view(shown) as view:
    for chunk in train():
        view.show(chunk)
    view.end("cancelled" if cancelled.is_set() else "done")
print("the cell saw the cancel")
"""

TEN_THOUSAND_CHUNKS = """
import time
from ipywidgets.widgets.widget import _instances
from snakepit_nb.blocking.stream_view import Shown, open_stream_view
from snakepit_nb.calls import ToolChunk

before = set(_instances)
started = time.monotonic()
shown = Shown(tool_name="count", correlation_id="sp-18", cancel=print)
with open_stream_view(shown) as view:
    for number in range(10_000):
        view.show(ToolChunk(number=number, data={"progress": number / 9_999, "at": number}))
print(time.monotonic() - started)
print(set(_instances) - before)
"""


DRIPPING_STREAM = """
import threading
from snakepit_nb.blocking.stream_view import Shown, open_stream_view
from snakepit_nb.calls import ToolChunk
from snakepit_nb.notebook.widgets import stream_panel

stream_panel.SECONDS_BEFORE_SIGHT = 0.0
cancelled = threading.Event()
shown = Shown(tool_name="drip", correlation_id="sp-19", cancel=cancelled.set)
with open_stream_view(shown) as view:
    number = 0
    while not cancelled.wait(0.01):
        view.show(ToolChunk(number=number, data={"number": number}))
        number += 1
        if not number % 40:
            print("forty more", flush=True)
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel(env=_environment(noninteractive="0"))
    _messages_until(client, _ends(client.execute("%load_ext snakepit_nb")))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("has_front_end_subshell", [False, True], ids=["main", "subshell"])
def test_cancel_reaches_the_stream_while_its_cell_runs(
    kernel: tuple[KernelManager, BlockingKernelClient], *, has_front_end_subshell: bool
) -> None:
    _, client = kernel
    subshell_id = _created_subshell(client) if has_front_end_subshell else None
    cell = client.execute(WAITING_STREAM)
    shown = _messages_until(client, _paints("epoch"))
    button = next(m for m in shown if _model_name(m) == "ButtonModel")["content"]["comm_id"]

    _click(client, button, subshell_id)
    ending = _messages_until(client, _ends(cell))

    assert _reply_to(client, cell)["status"] == "ok"
    assert "the cell saw the cancel" in _stdout(ending)
    assert any(_updates(m, "Cancelling…") for m in ending)


def test_static_html_takes_the_place_of_the_widgets(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    _, client = kernel
    cell = client.execute(WAITING_STREAM)
    shown = _messages_until(client, _paints("epoch"))
    button = next(m for m in shown if _model_name(m) == "ButtonModel")["content"]["comm_id"]
    _click(client, button, None)
    ending = _messages_until(client, _ends(cell))

    live = next(m for m in shown if m["msg_type"] == "display_data")["content"]
    static = next(m for m in ending if m["msg_type"] == "update_display_data")["content"]
    assert live["data"]["text/plain"] == "train: running"
    assert static["transient"] == live["transient"]
    assert static["data"]["text/plain"] == "train: 1 chunk, cancelled"
    assert set(static["data"]) == {"text/plain", "text/html"}
    for part in ("cancelled", "50%", "epoch", "sp-17", "&lt;script&gt;"):
        assert part in static["data"]["text/html"]
    opened = {m["content"]["comm_id"] for m in shown if m["msg_type"] == "comm_open"}
    closed = {m["content"]["comm_id"] for m in ending if m["msg_type"] == "comm_close"}
    assert closed == opened


def test_an_interrupt_of_the_kernel_cancels(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    manager, client = kernel
    cell = client.execute(WAITING_STREAM)
    _messages_until(client, _paints("epoch"))

    manager.interrupt_kernel()
    ending = _messages_until(client, _ends(cell))

    static = next(m for m in ending if m["msg_type"] == "update_display_data")["content"]
    assert static["data"]["text/plain"] == "train: 1 chunk, cancelled"
    assert _reply_to(client, cell)["ename"] == "KeyboardInterrupt"


def test_a_flood_of_chunks_is_painted_at_a_pace_for_eyes_and_leaves_no_widget(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    _, client = kernel
    messages = _messages_until(client, _ends(client.execute(TEN_THOUSAND_CHUNKS)))

    seconds, left_over = _stdout(messages).splitlines()
    paints = sum(m["msg_type"] == "comm_msg" for m in messages)
    static = next(m for m in messages if m["msg_type"] == "update_display_data")["content"]["data"]
    assert paints <= float(seconds) * 10 + 1
    assert static["text/plain"] == "count: 10,000 chunks, done"
    assert "9999" in static["text/html"]
    assert left_over == "set()"


def test_a_view_that_no_page_sees_is_not_painted(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    _, client = kernel
    cell = client.execute(DRIPPING_STREAM)
    opening = _messages_until(client, _paints("unsaved"))
    button, watcher = (
        next(m for m in opening if _model_name(m) == name)["content"]["comm_id"]
        for name in ("ButtonModel", "AnyModel")
    )

    heard = _say(client, watcher, {"page": "one", "seen": False})
    _messages_until(client, _ends(heard))
    unseen = _messages_until(client, _prints("forty more"))
    unseen += _messages_until(client, _prints("forty more"))
    _say(client, watcher, {"page": "other", "seen": True})
    _messages_until(client, _paints("chunks"))
    _click(client, button, None)
    ending = _messages_until(client, _ends(cell))

    assert sum(_updates(m, "chunks") for m in unseen) <= 1  # one may have been on its way
    assert watcher in {m["content"]["comm_id"] for m in ending if m["msg_type"] == "comm_close"}


def test_a_kernel_that_nobody_looks_at_prints_plain_lines() -> None:
    manager, client = start_new_kernel(env=_environment(noninteractive="1"))
    try:
        code = WAITING_STREAM.replace("assert cancelled", "cancelled.set(), cancelled")
        messages = _messages_until(client, _ends(client.execute(code)))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    assert _stdout(messages) == (
        "[ 50%] epoch=3 note=<script>\ntrain: 1 chunk, cancelled\nthe cell saw the cancel\n"
    )
    assert not [m for m in messages if m["msg_type"] in {"display_data", "update_display_data"}]


def test_a_script_that_shows_a_stream_loads_no_part_of_jupyter() -> None:
    script = (
        "import sys\n"
        "from snakepit_nb.blocking.stream_view import Shown, open_stream_view\n"
        "shown = Shown(tool_name='t', correlation_id='sp-1', cancel=print)\n"
        "with open_stream_view(shown): pass\n"
        "print({'IPython', 'ipywidgets', 'ipykernel'} & set(sys.modules))\n"
    )
    environment = _environment(noninteractive="0")
    output = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)

    assert output == "t: 0 chunks, done\nset()\n"


def _environment(*, noninteractive: str) -> dict[str, str]:
    return {**os.environ, "SNAKEPIT_NONINTERACTIVE": noninteractive}


def _messages_until(
    client: BlockingKernelClient, is_last: Callable[[Message], bool]
) -> list[Message]:
    messages: list[Message] = []
    while not (messages and is_last(messages[-1])):
        messages.append(client.get_iopub_msg(timeout=20))
    return messages


def _reply_to(client: BlockingKernelClient, cell: str) -> Message:
    # A client that waited for a slow kernel has asked it several times, and hears each answer.
    while (reply := client.get_shell_msg(timeout=20))["parent_header"]["msg_id"] != cell:
        pass
    content: Message = reply["content"]
    return content


def _ends(cell: str) -> Callable[[Message], bool]:
    return lambda message: (
        message["parent_header"].get("msg_id") == cell
        and message["content"].get("execution_state") == "idle"
    )


def _paints(text: str) -> Callable[[Message], bool]:
    return lambda message: _updates(message, text)


def _updates(message: Message, text: str) -> bool:
    return message["msg_type"] == "comm_msg" and text in str(message["content"]["data"])


def _model_name(message: Message) -> str | None:
    if message["msg_type"] != "comm_open":
        return None
    name: str = message["content"]["data"]["state"]["_model_name"]
    return name


def _stdout(messages: list[Message]) -> str:
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")


def _click(client: BlockingKernelClient, comm_id: str, subshell_id: str | None) -> None:
    _say(client, comm_id, {"event": "click"}, subshell_id)


def _say(
    client: BlockingKernelClient,
    comm_id: str,
    content: dict[str, Any],
    subshell_id: str | None = None,
) -> str:
    data = {"method": "custom", "content": content}
    message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    if subshell_id is not None:
        message["header"]["subshell_id"] = subshell_id
    client.shell_channel.send(message)
    message_id: str = message["header"]["msg_id"]
    return message_id


def _prints(text: str) -> Callable[[Message], bool]:
    return lambda message: message["msg_type"] == "stream" and text in message["content"]["text"]


def _created_subshell(client: BlockingKernelClient) -> str:
    client.control_channel.send(client.session.msg("create_subshell_request"))
    subshell_id: str = client.get_control_msg(timeout=20)["content"]["subshell_id"]
    return subshell_id
