"""The kernel "Python (snakepit)", started as Jupyter starts it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from snakepit_nb.cli import main

from .kernel_driver import Kernel, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(
    installed_kernel: Path,  # noqa: ARG001 (it is there)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("ours"), name="snakepit") as opened:
        yield opened


def kernel_pid(kernel: Kernel) -> int:
    pid: int = kernel.run("%%snakepit_exec --local\nimport os\nos.getpid()").value
    return pid


def test_its_first_cell_runs_in_a_worker(kernel: Kernel) -> None:
    ran = kernel.run("import os\nos.environ['SNAKEPIT_WORKER_ID'].rpartition('-')[2], len(In)")

    assert ran.value == ("w0", 2)
    assert ran.reply["execution_count"] == 1
    assert (
        "1 worker,"
        in kernel.run("%snakepit status").content("execute_result")["data"]["text/plain"]
    )


@pytest.mark.parametrize(
    "crash",
    ["os.abort()", "os._exit(3)", "os.kill(os.getpid(), 9)", "import ctypes; ctypes.string_at(0)"],
)
def test_no_cell_takes_it_down(kernel: Kernel, crash: str) -> None:
    before = kernel_pid(kernel)
    kernel.check("mine = 1")

    ran = kernel.run(f"import os\n{crash}")

    assert ran.reply["ename"] == "WorkerCrashedError"
    assert "lost its variables (mine" in ran.text
    assert kernel.run("1 + 1").value == 2
    assert kernel_pid(kernel) == before


def test_an_interrupt_stops_the_cell_and_keeps_its_variables(kernel: Kernel) -> None:
    running = kernel.begin("import time\nkept = 1\nprint('begun', flush=True)\ntime.sleep(60)")
    running.wait_for("begun")
    kernel.interrupt()

    assert running.finish().reply["ename"] == "KeyboardInterrupt"
    assert kernel.run("kept").value == 1


def test_a_cell_may_ask(kernel: Kernel) -> None:
    running = kernel.begin("input('who? ')")

    assert running.asked()["prompt"] == "who? "
    running.answer("me")
    assert running.finish().value == "me"


@pytest.mark.usefixtures("installed_kernel")
def test_it_ends_where_a_cell_says_so(tmp_path: Path) -> None:
    with open_kernel(tmp_path, name="snakepit") as opened:
        process = psutil.Process(kernel_pid(opened))

        opened.check("exit")

        process.wait(timeout=10)


def test_a_restart_begins_with_a_worker_anew(kernel: Kernel) -> None:
    kernel.check("old = 1")
    before = kernel.run("import os\nos.getpid()").value

    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=30)

    assert kernel.run("old").reply["ename"] == "NameError"
    assert kernel.run("import os\nos.getpid()").value != before
    psutil.wait_procs([psutil.Process(before)] if psutil.pid_exists(before) else [], timeout=10)
    assert not psutil.pid_exists(before)


def test_its_pool_is_started_with_the_options_of_its_installation(
    installed_kernel: Path, tmp_path: Path
) -> None:
    options = ["-n", "2", "--env", "MINE=a b", "--max-calls", "1000"]
    main(["kernel", "install", "--prefix", str(installed_kernel), "--name", "two", *options])

    with open_kernel(tmp_path, name="two") as opened:
        assert opened.run("import os\nos.environ['MINE']").value == "a b"
        assert (
            "2 workers,"
            in opened.run("%snakepit status").content("execute_result")["data"]["text/plain"]
        )


def test_workers_that_cannot_start_are_told_by_each_cell(
    installed_kernel: Path, tmp_path: Path
) -> None:
    options = ["--python", str(tmp_path / "nowhere")]
    main(["kernel", "install", "--prefix", str(installed_kernel), "--name", "broken", *options])

    with open_kernel(tmp_path, name="broken") as opened:
        for _ in range(2):
            ran = opened.run("1")
            assert ran.status == "error"
            assert "nowhere' cannot be run" in ran.text
        assert (
            "problem"
            in opened.run("%snakepit status").content("execute_result")["data"]["text/plain"]
        )


def test_a_notebook_runs_in_it(installed_kernel: Path, tmp_path: Path) -> None:  # noqa: ARG001 (it is there)
    cells = [
        "x = 41",
        "x + 1",
        "import os\nos.getpid()",
        "%%snakepit_exec --local\nimport os\nos.getpid()",
    ]
    v4: Any = nbformat.v4
    notebook = v4.new_notebook(
        cells=[*map(v4.new_code_cell, cells)],
        metadata={"kernelspec": {"name": "snakepit", "display_name": "Python (snakepit)"}},
    )

    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()

    values = [cell.outputs[0].data["text/plain"] for cell in notebook.cells[1:]]
    assert values[0] == "42"
    assert values[1] != values[2]
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4]


def test_it_is_taken_away_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--prefix", str(tmp_path)]
    written = tmp_path / "share" / "jupyter" / "kernels" / "snakepit"

    assert main(["kernel", "install", *place]) == 0
    assert json.loads((written / "kernel.json").read_bytes())["display_name"] == "Python (snakepit)"
    assert main(["kernel", "install", *place, "--display-name", "Again"]) == 0
    assert json.loads((written / "kernel.json").read_bytes())["display_name"] == "Again"
    assert main(["kernel", "remove", *place]) == 0
    assert not written.exists()
    assert main(["kernel", "remove", *place]) == 2
    assert "There is no kernel 'snakepit'" in capsys.readouterr().err


def test_a_kernel_of_another_kind_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "share" / "jupyter" / "kernels" / "theirs"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text('{"argv": ["python"]}')
    place = ["--prefix", str(tmp_path), "--name", "theirs"]

    assert main(["kernel", "install", *place]) == 2
    assert main(["kernel", "remove", *place]) == 2
    assert capsys.readouterr().err.count("is a kernel of another kind: it stays") == 2
    assert (other / "kernel.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--wrokers", "2"], "did you mean '--workers'?"), (["--name", "a b"], "small letters")],
)
def test_an_installation_that_makes_no_sense_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["kernel", "install", "--prefix", str(tmp_path), *options]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
