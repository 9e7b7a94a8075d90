"""Widgets made in a worker are the notebook's: the same messages as from its own kernel."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import nbclient
import nbformat
import pytest

from .kernel_driver import Kernel, Message, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

Kernels = tuple[Kernel, Kernel]
"""A plain one, and one with a worker."""
MAGIC = "%%snakepit_exec\n"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    directory = tmp_path_factory.mktemp("widgets")
    with open_kernel(directory) as plain, open_kernel(directory) as bridged:
        bridged.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        plain.check("pass")
        for kernel, magic in ((plain, ""), (bridged, MAGIC)):
            kernel.check(magic + "import ipywidgets as W\nfrom IPython.display import display")
        yield plain, bridged


class Ids:
    """Gives the ids of one kernel's messages the numbers in whose order they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def masked(self, value: Any) -> Any:  # noqa: ANN401 (what messages hold)
        match value:
            case str():
                return re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f_-]{20,}", self._number, value)
            case dict():
                return {key: self.masked(item) for key, item in value.items()}
            case list() | tuple():
                return [self.masked(item) for item in value]
            case _:
                return value

    def _number(self, found: "re.Match[str]") -> str:
        return self._numbers.setdefault(found.group(), f"ID-{len(self._numbers)}")


def told(messages: list[Message], ids: Ids) -> list[Any]:
    """What a front end is told, in the order in which it is told, and last all text.

    The kernel's own text comes a moment late; that of a worker comes where it was written.
    """
    text = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
    return [*_told_but_text(messages, ids), ("text", text)]


def _told_but_text(messages: list[Message], ids: Ids) -> list[Any]:
    return [
        (
            message["msg_type"],
            ids.masked(message["content"]),
            ids.masked(message["metadata"]),
            [bytes(buffer) for buffer in message["buffers"]],
        )
        for message in messages
        if message["msg_type"] not in ("status", "execute_input", "stream")
    ]


class Side:
    """One kernel, seen as a front end sees it."""

    def __init__(self, kernel: Kernel, magic: str) -> None:
        self.kernel = kernel
        self.magic = magic
        self.ids = Ids()
        self.comms: list[str] = []

    def run(self, code: str) -> list[Any]:
        running = self.kernel.begin(self.magic + code)
        ran = running.finish()
        assert ran.status == "ok", ran
        return self._seen(running.messages)

    def say(self, comm: int, data: dict[str, Any], *buffers: bytes) -> list[Any]:
        return self._seen(self.kernel.send_comm(self.comms[comm], data, buffers=buffers).answers())

    def _seen(self, messages: list[Message]) -> list[Any]:
        for message in messages:
            if message["msg_type"] == "comm_open":
                self.comms.append(message["content"]["comm_id"])
        return told(messages, self.ids)


def sides(kernels: Kernels) -> tuple[Side, Side]:
    return Side(kernels[0], ""), Side(kernels[1], MAGIC)


def same(kernels: Kernels, play: Callable[[Side], list[Any]]) -> list[Any]:
    """Plays the same with both kernels, and returns what both say."""
    plain, bridged = (play(side) for side in sides(kernels))
    assert bridged == plain
    return plain


def update(**state: object) -> dict[str, Any]:
    return {"method": "update", "state": state, "buffer_paths": []}


def kinds(seen: list[Any]) -> list[str]:
    return [kind for kind, *_ in seen]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("W.IntSlider(value=3)", id="a slider"),
        pytest.param("display(W.Button(description='b')); print('behind')", id="a button"),
        pytest.param("W.Image(value=b'\\x89PNG\\x00\\xff', format='png')", id="an image"),
        pytest.param("W.HBox([W.Label('a'), W.Label('b')])", id="a box"),
        pytest.param(
            "a, b = W.IntText(), W.IntText()\nW.jslink((a, 'value'), (b, 'value'))\na", id="jslink"
        ),
        pytest.param("s = W.IntSlider()\ns.value = 5\ns.close()", id="closed"),
        pytest.param("W.FloatText(float('inf'))", id="no JSON number"),
        pytest.param(
            "out = W.Output()\ndisplay(out)\nprint('outside')\n"
            "with out:\n    print('inside')\n    display('shown')\nprint('outside again')",
            id="an Output that captures",
        ),
        pytest.param(
            "out = W.Output()\ndisplay(out)\nwith out:\n    1 / 0\nprint('goes on')",
            id="an error in an Output",
        ),
        pytest.param(
            "def f(x): print('x is', x); return x\nW.interact(f, x=(0, 10));", id="interact"
        ),
        pytest.param(
            "from comm import create_comm\nc = create_comm(target_name='t', data={'a': 1}, "
            "metadata={'m': 2}, buffers=[b'ab', memoryview(b'cd')])\n"
            "c.send({'x': None})\nc.close({'by': 'e'})",
            id="a comm by hand",
        ),
    ],
)
def test_a_cell_tells_of_its_widgets_as_its_own_kernel_does(kernels: Kernels, code: str) -> None:
    seen = same(kernels, lambda side: side.run(code))

    assert "comm_open" in kinds(seen)


def test_a_callback_answers_the_front_end_and_its_text_belongs_to_it(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run(
            "s, label = W.IntSlider(), W.Label()\n"
            "def moved(change):\n"
            "    print('moved to', change.new)\n"
            "    label.value = str(change.new)\n"
            "    display(change.new)\n"
            "s.observe(moved, 'value')\n"
            "s"
        )
        slider = side.comms.index(next(iter(side.comms[2:3])))  # layout and style come first
        return [side.say(slider, update(value=number)) for number in (7, 8)]

    seen = same(kernels, play)

    assert seen[0][-1] == ("text", "moved to 7\n")
    assert "display_data" in kinds(seen[0])


def test_a_callback_captures_in_an_output_widget(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run(
            "out, b = W.Output(), W.Button()\n"
            "@b.on_click\n"
            "@out.capture()\n"
            "def _(button): print('clicked')\n"
            "W.VBox([b, out])"
        )
        button = side.comms[_opened(side, "ButtonModel")]
        answers = side.kernel.send_comm(button, CLICK)
        messages = answers.answers()
        captured = [
            m["content"]["data"]["state"]["msg_id"]
            for m in messages
            if m["msg_type"] == "comm_msg" and "msg_id" in m["content"]["data"].get("state", {})
        ]
        assert captured == [answers.message_id, ""]  # while the text comes, and no longer
        return [m["msg_type"] for m in messages if m["msg_type"] != "status"]

    assert same(kernels, play) == ["comm_msg", "stream", "comm_msg"]


CLICK = {"method": "custom", "content": {"event": "click"}}


def _opened(side: Side, model: str) -> int:
    """The place among all comms of the last widget of a model."""
    code = (
        "import json; from ipywidgets.widgets.widget import _instances\n"
        f"[i for i, w in _instances.items() if w._model_name == {model!r}][-1]"
    )
    comm_id: str = side.kernel.check(side.magic + code).value
    return side.comms.index(comm_id)


def test_buffers_come_from_the_front_end(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run("u = W.FileUpload()\nu")
        upload = _opened(side, "FileUploadModel")
        file = {"name": "a.bin", "type": "", "size": 3, "last_modified": 1_700_000_000_000}
        side.say(
            upload,
            {
                "method": "update",
                "state": {"value": [file]},
                "buffer_paths": [["value", 0, "content"]],
            },
            b"\x00\x01\xff",
        )
        return side.run("print(bytes(u.value[0].content), u.value[0].name)")

    same(kernels, play)


def test_custom_messages_carry_buffers_both_ways(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run(
            "from comm import create_comm\n"
            "c = create_comm(target_name='echo')\n"
            "c.on_msg(lambda m: c.send(m['content']['data'], m['metadata'], "
            "[bytes(b)[::-1] for b in m['buffers']]))"
        )
        return side.say(0, {"hello": [1, None, "ü"]}, b"abc", b"")

    answer, _ = same(kernels, play)

    assert answer[3] == [b"cba", b""]


def test_a_page_that_is_loaded_again_finds_the_widgets(kernels: Kernels) -> None:
    _, kernel = kernels
    side = Side(kernel, MAGIC)
    side.run("kept = W.IntSlider(value=4)\nkept")
    slider = side.comms[_opened(side, "IntSliderModel")]
    kernel.check("import ipywidgets")  # whose own answer to the page knows of no worker

    message = kernel.client.session.msg("comm_info_request", {"target_name": "jupyter.widget"})
    kernel.client.shell_channel.send(message)
    reply = kernel.client.get_shell_msg(timeout=10)
    while reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
        reply = kernel.client.get_shell_msg(timeout=10)
    control = kernel.send_comm("c" * 32, {}, kind="comm_open", target_name="jupyter.widget.control")
    closed = [m["msg_type"] for m in control.answers()]
    (state,) = kernel.send_comm(slider, {"method": "request_state"}).answers()

    assert reply["content"]["comms"][slider] == {"target_name": "jupyter.widget"}
    assert closed == ["comm_close"]
    assert state["content"]["data"]["method"] == "update"
    assert state["content"]["data"]["state"]["value"] == 4


def test_messages_wait_for_a_cell_that_blocks_and_come_before_the_next(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run("heard = []\ns = W.IntSlider()\ns.observe(lambda c: heard.append(c.new), 'value')")
        slider = side.comms[_opened(side, "IntSliderModel")]
        running = side.kernel.begin(
            side.magic + "print('begun')\nimport time\ntime.sleep(0.5)\nprint(heard)"
        )
        running.wait_for("begun")
        for number in (1, 2, 3):
            side.kernel.send_comm(slider, update(value=number))
        after = side.kernel.begin(side.magic + "print(heard)")
        return [running.finish().text, after.finish().text]

    assert same(kernels, play) == ["begun\n[]\n", "[1, 2, 3]\n"]


def test_messages_reach_a_cell_that_awaits(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run(
            "import asyncio\npressed = asyncio.Event()\nb = W.Button()\n"
            "b.on_click(lambda _: pressed.set())"
        )
        button = side.comms[_opened(side, "ButtonModel")]
        running = side.kernel.begin(
            side.magic
            + "print('waits')\nawait asyncio.wait_for(pressed.wait(), 20)\nprint('pressed')"
        )
        running.wait_for("waits")
        begun = time.monotonic()
        side.kernel.send_comm(button, CLICK)
        ran = running.finish()
        assert time.monotonic() - begun < 5
        return [ran.text, ran.status]

    assert same(kernels, play) == ["waits\npressed\n", "ok"]


def test_a_worker_that_runs_something_else_does_not_hold_the_kernel_up(kernels: Kernels) -> None:
    _, kernel = kernels
    side = Side(kernel, MAGIC)
    side.run(
        "s = W.IntSlider()\n"
        "s.observe(lambda change: (print('moved to', change.new), display(change.new)), 'value')"
    )
    slider = side.comms[_opened(side, "IntSliderModel")]
    kernel.check("import snakepit_nb, time\nslept = snakepit_nb.pool().submit(time.sleep, 3)")
    sent = [kernel.send_comm(slider, update(value=value)) for value in (1, 2)]
    running = kernel.begin("slept.done()")

    seen: dict[str, list[Message]] = {message.message_id: [] for message in sent}
    while len(seen[sent[1].message_id]) < 5:
        message = kernel.client.get_iopub_msg(timeout=10)
        seen.setdefault(message["parent_header"].get("msg_id"), []).append(message)

    (result,) = (m for m in seen[running.message_id] if m["msg_type"] == "execute_result")
    assert result["content"]["data"]["text/plain"] == "False"
    for message_id in (message.message_id for message in sent):
        assert [m["msg_type"] for m in seen[message_id]] == [
            "status",  # busy
            "status",  # idle: the kernel goes on
            "comm_msg",
            "stream",
            "display_data",
        ]


def test_a_widget_of_a_cell_that_awaits_is_live_in_it(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        running = side.kernel.begin(
            side.magic + "import asyncio\nfrom comm import create_comm\n"
            "answer = asyncio.Future()\nc = create_comm(target_name='t')\n"
            "c.on_msg(lambda m: answer.set_result(m['content']['data']))\nprint('waits')\n"
            "print(await asyncio.wait_for(answer, 20))"
        )
        running.wait_for("waits")
        (opened,) = (m for m in running.messages if m["msg_type"] == "comm_open")
        side.kernel.send_comm(opened["content"]["comm_id"], {"a": 1})
        return [running.finish().text]

    assert same(kernels, play) == ["waits\n{'a': 1}\n"]


def test_a_callback_can_be_interrupted(kernels: Kernels) -> None:
    _, kernel = kernels
    side = Side(kernel, MAGIC)
    side.run(
        "import time\nb = W.Button()\n"
        "def wait(_):\n    out.append_stdout('begun')\n    time.sleep(60)\n"
        "out = W.Output()\nb.on_click(wait)"
    )
    pids = kernel.worker_pids()
    button = side.comms[_opened(side, "ButtonModel")]
    sent = kernel.send_comm(button, CLICK)
    _await_message(kernel, lambda m: "begun" in str(m["content"]))
    begun = time.monotonic()
    kernel.interrupt()
    sent.answers()

    assert time.monotonic() - begun < 5
    assert kernel.worker_pids() == pids


def test_what_fails_in_a_callback_is_told_as_in_the_kernel(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run("b = W.Button()\nb.on_click(lambda _: 1 / 0)")
        button = side.comms[_opened(side, "ButtonModel")]
        messages = side.kernel.send_comm(button, CLICK).answers()
        return [(m["msg_type"], m["content"].get("ename")) for m in messages]

    assert same(kernels, play) == [("error", "ZeroDivisionError")]


def test_a_thread_goes_on_telling_when_its_cell_is_over(kernels: Kernels) -> None:
    _, kernel = kernels
    running = kernel.begin(
        MAGIC + "import threading, time\n"
        "p = W.IntProgress(max=30)\n"
        "def work():\n"
        "    for n in range(1, 31):\n"
        "        p.value = n\n"
        "        time.sleep(0.01)\n"
        "threading.Thread(target=work).start()\n"
        "p"
    )
    running.finish()
    values = [_value(message) for message in running.messages]

    while 30 not in values:
        values.append(_value(kernel.client.get_iopub_msg(timeout=10)))

    assert [value for value in values if value] == [*range(1, 31)]


def test_progress_bars_are_the_notebooks(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        seen = side.run(
            "import sys\nfrom tqdm.auto import tqdm\nfor _ in tqdm(range(3), mininterval=0): pass"
        )
        return [
            (kind, content.get("data", {}).get("state", {}).get("_model_name"))
            for kind, content, *_ in seen
            if kind == "comm_open"
        ] + [seen[-1]]

    assert ("comm_open", "FloatProgressModel") in same(kernels, play)


def test_the_front_end_may_open_comms(kernels: Kernels) -> None:
    def play(side: Side) -> list[Any]:
        side.run(
            "import comm\n"
            "def opened(c, message):\n"
            "    c.send({'welcome': message['content']['data']})\n"
            "    c.on_msg(lambda m: c.send({'echo': m['content']['data']}))\n"
            "    c.on_close(lambda m: print('closed', m['content']['data']))\n"
            "comm.get_comm_manager().register_target('desk', opened)"
        )
        desk = "d" * 32
        first = side.kernel.send_comm(desk, {"a": 1}, kind="comm_open", target_name="desk")
        seen = [told(first.answers(), side.ids)]
        seen.append(told(side.kernel.send_comm(desk, {"b": 2}).answers(), side.ids))
        closing = side.kernel.send_comm(desk, {"c": 3}, kind="comm_close")
        seen.append(told(closing.answers(), side.ids))
        return seen

    seen = same(kernels, play)

    assert seen[1][0][1]["data"] == {"echo": {"b": 2}}


def test_a_session_that_ends_closes_its_widgets_and_says_so(kernels: Kernels) -> None:
    _, kernel = kernels
    side = Side(kernel, MAGIC.replace("\n", " -s short\n"))
    running = kernel.begin(side.magic + "import ipywidgets as W\nW.IntSlider()")
    running.finish()

    kernel.begin("import snakepit_nb\nsnakepit_nb.pool().end_session('short')")

    _assert_closed(kernel, running.message_id, "because session 'short' has ended", 3)


def test_a_worker_that_dies_closes_its_widgets_and_says_so(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        running = kernel.begin(
            MAGIC + "import ipywidgets as W, os, threading\n"
            "threading.Timer(0.5, os._exit, (3,)).start()\nW.IntSlider()"
        )
        running.finish()

        _assert_closed(kernel, running.message_id, "is gone", 3)
        assert kernel.check("get_ipython().kernel.comm_manager.comms").value == {}


def _assert_closed(kernel: Kernel, message_id: str, because: str, number: int) -> None:
    closed = []
    while True:
        message = kernel.client.get_iopub_msg(timeout=20)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] == "comm_close":
            closed.append(message["content"]["comm_id"])
        if message["msg_type"] == "stream":
            break
    assert message["content"]["name"] == "stderr"
    assert because in message["content"]["text"]
    assert len(set(closed)) == number
    with suppress(Empty):
        while kernel.client.get_iopub_msg(timeout=0.3)["msg_type"] != "stream":
            pass
        raise AssertionError("it was said twice")


def test_widgets_live_in_workers_with_threads_too(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start -n 1 --profile thread --threads 2")
        for session in ("one", "two", ""):
            magic = f"%%snakepit_exec {f'-s {session}' if session else '-t any'}\n"
            side = Side(kernel, magic)
            side.run(
                "import ipywidgets as W, threading\n"
                f"heard = {session!r}\ns = W.IntSlider()\n"
                "s.observe(lambda c: print(heard, c.new), 'value')\ns"
            )
            (slider,) = [
                comm
                for comm in side.comms
                if kernel.send_comm(comm, {"method": "request_state"}).answers()[0]["content"][
                    "data"
                ]["state"]["_model_name"]
                == "IntSliderModel"
            ]

            answers = kernel.send_comm(slider, update(value=5)).answers()

            assert f"{session} 5\n" in [m["content"].get("text") for m in answers]


def test_a_notebook_that_is_run_without_a_front_end_keeps_the_widgets_state(
    tmp_path: Path,
) -> None:
    cells = [
        "%load_ext snakepit_nb\n%snakepit start -n 1",
        # It waits until nbclient has told the widget what it caught: who sends while a reply comes
        # on the same socket, as jupyter_client does, may miss that.
        MAGIC + "import asyncio\nimport ipywidgets as W\nout = W.Output()\n"
        "with out: print('captured')\nwhile not out.outputs: await asyncio.sleep(0.01)\n"
        "W.VBox([W.IntSlider(value=42), out])",
    ]
    v4: Any = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])

    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()

    kept = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    states = {model["model_name"]: model["state"] for model in kept.values()}
    assert states["IntSliderModel"]["value"] == 42
    assert [output["text"] for output in states["OutputModel"]["outputs"]] == ["captured\n"]


def test_a_worker_without_widgets_imports_none(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start -n 1")
        loaded = kernel.check(MAGIC + "import sys\n'ipywidgets' in sys.modules").value
    assert loaded is False


def _value(message: Message) -> int | None:
    if message["msg_type"] != "comm_msg":
        return None
    value: int | None = message["content"]["data"].get("state", {}).get("value")
    return value


def _await_message(kernel: Kernel, is_it: Callable[[Message], bool]) -> None:
    while not is_it(kernel.client.get_iopub_msg(timeout=10)):
        pass
