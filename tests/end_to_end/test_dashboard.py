"""What a front end is told of a pool's panel, and what it finds there when that has ended."""

from collections.abc import Iterator
from typing import Any

import pytest

from .kernel_driver import Kernel, Running, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("dashboard")) as opened:
        opened.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        yield opened


def pictures(cell: Running) -> list[dict[str, Any]]:
    """What has stood in the panel's place, one after the other."""
    kinds = ("display_data", "update_display_data")
    return [content["data"] for kind, content in cell.outputs if kind in kinds]


def open_panel(kernel: Kernel) -> tuple[Running, str]:
    """Shows one to a front end; returns its cell and its comm."""
    kernel.check("import os\nos.environ['SNAKEPIT_NONINTERACTIVE'] = '0'")
    cell = kernel.begin("%snakepit dashboard")
    cell.finish()
    (comm_id,) = (
        content["comm_id"]
        for kind, content in cell.outputs
        if kind == "comm_open" and "_esm" in content["data"]["state"]
    )
    return cell, comm_id


def say(kernel: Kernel, comm_id: str, **content: object) -> None:
    kernel.send_comm(comm_id, {"method": "custom", "content": content})


def test_all_is_text_where_it_shall_be_plain(kernel: Kernel) -> None:
    shown = kernel.check("%snakepit dashboard").content("execute_result")
    loads_widgets = kernel.check("import sys\n'anywidget' in sys.modules").value

    assert shown["data"] == {
        "text/plain": "Pool 'default': 1 worker, load 0/1, 0 waiting, 0 finished\nw0  ready  0/1"
    }
    assert not loads_widgets


def test_it_is_html_until_a_front_end_can_show_more_and_when_the_pool_has_stopped(
    kernel: Kernel,
) -> None:
    cell, comm_id = open_panel(kernel)
    assert [set(picture) for picture in pictures(cell)] == [{"text/html", "text/plain"}]

    say(kernel, comm_id, kind="here")
    cell.wait_late(lambda cell: len(pictures(cell)) == 2)
    assert pictures(cell)[1][VIEW]["model_id"] == comm_id

    kernel.check("%snakepit stop")
    cell.wait_late(lambda cell: len(pictures(cell)) == 3)
    assert VIEW not in pictures(cell)[2]
    assert "has stopped" in pictures(cell)[2]["text/html"]
    assert "w0  stopped" in pictures(cell)[2]["text/plain"]
    assert kernel.check("from snakepit_nb.notebook import panels\npanels._panels()").value == []


def test_html_takes_its_place_when_the_kernel_ends(kernel: Kernel) -> None:
    kernel.check("%snakepit start --workers 1")
    cell, comm_id = open_panel(kernel)
    say(kernel, comm_id, kind="here")
    cell.wait_late(lambda cell: len(pictures(cell)) == 2)
    kernel.client.shutdown()
    cell.wait_late(lambda cell: len(pictures(cell)) == 3)

    assert set(pictures(cell)[2]) == {"text/html", "text/plain"}
