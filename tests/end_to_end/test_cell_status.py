"""What the kernel tells a page of a cell that runs; the page itself is in tests/browser."""

import time
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel, Message, Running, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(60)]

SHORT = "%%snakepit_exec\nprint('quick')"
LONG = "%%snakepit_exec\nimport time\ntime.sleep(2)\nprint('slept')\n40 + 2"
ENDLESS = """%%snakepit_exec
import time
try:
    time.sleep(60)
finally:
    print(time.time())"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("status")) as opened:
        opened.check("import os\ndel os.environ['SNAKEPIT_NONINTERACTIVE']")
        opened.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        opened.check("import snakepit_nb.notebook.widgets.cell_line")  # the first time takes long
        yield opened


def test_a_page_gets_a_line_for_a_long_cell_which_shows_what_it_would_show(kernel: Kernel) -> None:
    running = _begin(kernel, LONG, cell_id="the-cell")
    ran = running.finish()
    running.wait_late(lambda cell: set(_opened(cell)) == _closed(cell) != set())

    state = next(state for state in _opened(running).values() if "cell_id" in state)
    assert state["cell_id"] == "the-cell"
    assert state["words"] == ["on worker w0", "session notebook"]
    assert 0.9 < state["seconds"] < 2
    assert {kind for kind, _ in ran.outputs} - _COMMS == {"stream", "execute_result"}
    assert (ran.text, ran.value) == ("slept\n", 42)


@pytest.mark.parametrize(
    ("code", "cell_id"), [(SHORT, "the-cell"), (LONG, None)], ids=["short", "no page"]
)
def test_nobody_is_told_of_a_short_cell_or_without_a_page(
    kernel: Kernel, code: str, cell_id: str | None
) -> None:
    running = _begin(kernel, code, cell_id=cell_id)
    running.finish()

    assert not [message for message in running.messages if message["msg_type"] in _COMMS]


def test_cancel_ends_the_cell_while_the_kernel_waits_for_it(kernel: Kernel) -> None:
    running = _begin(kernel, ENDLESS, cell_id="the-cell")
    running.wait_late(
        lambda cell: any("can_cancel': True" in str(message) for message in cell.messages)
    )
    (line,) = (comm for comm, state in _opened(running).items() if "cell_id" in state)

    clicked = time.time()
    kernel.send_comm(line, {"method": "custom", "content": {"cancel": True}})
    ran = running.finish()

    assert ran.reply["ename"] == "KeyboardInterrupt"
    stopped = float(ran.text.splitlines()[0])
    assert stopped - clicked < 0.5


_COMMS = {"comm_open", "comm_msg", "comm_close"}


def _begin(kernel: Kernel, code: str, *, cell_id: str | None) -> Running:
    """Runs a cell as a page does, which says in which cell it stands."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    metadata = {} if cell_id is None else {"cellId": cell_id}
    message = kernel.client.session.msg("execute_request", content, metadata=metadata)
    message_id: str = message["header"]["msg_id"]
    running = Running(client=kernel.client, message_id=message_id, peers=kernel.cells)
    kernel.cells[message_id] = running
    kernel.client.shell_channel.send(message)
    return running


def _opened(running: Running) -> dict[str, Message]:
    return {
        message["content"]["comm_id"]: message["content"]["data"]["state"]
        for message in running.messages
        if message["msg_type"] == "comm_open"
    }


def _closed(running: Running) -> set[str]:
    return {
        message["content"]["comm_id"]
        for message in running.messages
        if message["msg_type"] == "comm_close"
    }
