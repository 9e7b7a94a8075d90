"""`%snakepit trace` and `%snakepit logs` in a real kernel."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check(
        f"import logging, sys\nimport snakepit_nb as s\nsys.path.append({HERE!r})\n"
        "%snakepit start --workers 1 --adapter traced_tools:TracedTools"
    )
    bridged.check("s.pool().call('seen', mark='warm')")
    yield bridged
    bridged.check("%snakepit stop --now")


def plain(kernel: Kernel, line: str) -> str:
    text: str = kernel.check(line).content("execute_result")["data"]["text/plain"]
    return text


def test_the_last_trace_accounts_for_nearly_all_of_a_cells_time(kernel: Kernel) -> None:
    ran = kernel.check(
        "pool = s.pool()\n"
        "pool.call('work', seconds=0.05)\n"
        "pool.call('work', seconds=0.05)\n"
        "try:\n    pool.call('fail')\nexcept ValueError:\n    pass\n"
        "len(list(pool.stream('count', to=1000, seconds=0.1)))"
    )

    shown = plain(kernel, "%snakepit trace last")
    accounted = kernel.check(
        "from snakepit_nb.notebook.widgets.trace_model import waterfall\n"
        "from snakepit_nb.blocking import face\n"
        "w = waterfall(face.trace())\nw.cells, w.calls, w.failed, w.untold, w.accounted"
    ).value

    assert ran.value == 1000
    assert accounted[:4] == (1, 4, 1, 0)
    assert accounted[4] >= 0.95
    assert re.search(r"✗ .*fail", shown)
    assert "1,000 chunks" in shown or "1000 chunks" in shown
    assert kernel.check("%snakepit trace last").content("execute_result")["data"]["text/html"]


def test_logs_of_kernel_and_worker_are_merged_by_time(kernel: Kernel) -> None:
    kernel.check(
        "with s.correlation('merged'):\n"
        "    logging.getLogger('mine').warning('before')\n"
        "    s.pool().call('seen', mark='there')\n"
        "    logging.getLogger('mine').warning('behind')\n"
        "s.pool().call('seen', mark='other')"
    )
    kernel.check("_ = face.trace('merged')")  # the worker's lines come with its spans

    title, *lines = plain(kernel, "%snakepit logs merged").splitlines()

    assert title == "4 lines of log of merged"
    assert [line.split()[2:4] for line in lines] == [
        ["kernel", "mine:"],
        ["w0", "traced:"],
        ["w0", "traced:"],
        ["kernel", "mine:"],
    ]
    assert [line.split(": ", 1)[1].split("  ")[0] for line in lines] == [
        "before",
        "begins there",
        "ends there",
        "behind",
    ]
    assert all(line.endswith("[merged]") for line in lines)


def test_what_tools_and_children_write_to_stderr_comes_home(kernel: Kernel) -> None:
    kernel.run("s.pool().call('tell', text='stray words')")
    kernel.check(
        "from snakepit_nb.telemetry.log_ring import logs\n"
        "import time\n"
        "deadline = time.monotonic() + 10\n"
        "while sum('stray' in each.message for each in logs.find(number=99)) < 3:\n"
        "    assert time.monotonic() < deadline\n"
        "    time.sleep(0.002)"
    )

    lines = [
        line for line in plain(kernel, "%snakepit logs w0").splitlines() if "stderr: stray" in line
    ]

    assert [line.partition("stderr: ")[2] for line in lines] == [
        "stray words",
        "stray words by a child",
    ]


def test_logs_are_written_to_a_file_from_then_on(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    kernel.check(f"%snakepit logs --to {file}")
    kernel.check(
        "with s.correlation('filed'):\n"
        "    logging.getLogger('mine').warning('here')\n"
        "    s.pool().call('seen', mark='there')\n"
    )
    kernel.check("_ = face.trace('filed')")
    kernel.check("%snakepit logs --to off")
    kernel.check("logging.getLogger('mine').warning('later')")

    told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    mine = [each for each in told if each.get("correlation_id") == "filed"]
    assert [(each["logger"], each.get("worker_id"), each["message"]) for each in mine] == [
        ("mine", None, "here"),
        ("traced", "w0", "begins there"),
        ("traced", "w0", "ends there"),
    ]
    assert not [each for each in told if each["message"] == "later"]


def test_a_cell_in_a_worker_is_part_of_its_cells_trace(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec --correlation-id mine-1\nimport time\ntime.sleep(0.02)")

    shown = plain(kernel, "%snakepit trace mine-1")

    assert "mine-1" in shown.splitlines()[0]
    assert "1 call" in shown.splitlines()[0]
    assert "cell" in shown
