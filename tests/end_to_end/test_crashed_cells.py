"""What the notebook shows when a worker dies under a cell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernel_driver import Kernel, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("crashed")) as opened:
        opened.check("%load_ext snakepit_nb")
        opened.check("%snakepit start -n 2 -q")
        yield opened


def test_a_crash_is_one_message_with_the_line_that_crashed(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec\nx, y = 1, 2")
    ran = kernel.run("%%snakepit_exec\nimport ctypes\nctypes.string_at(0)")
    shown = ran.content("error")

    assert ran.status == "error"
    assert shown["ename"] == "WorkerCrashedError"
    assert "it ended with signal 11 (SIGSEGV). The cell had begun and not ended." in shown["evalue"]
    assert "Session 'notebook' lost its variables (x, y)." in shown["evalue"]
    assert "Fatal Python error: Segmentation fault" in shown["evalue"]
    assert "line 2 in <module>" in shown["evalue"]
    assert "Run its cells again from the first" in shown["evalue"]
    assert "share.py" not in "".join(shown["traceback"])


def test_the_session_begins_anew_behind_a_crash(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec\nz = 3")

    assert kernel.run("%%snakepit_exec\nz").value == 3


def test_a_cell_that_may_run_twice_does_and_says_so(kernel: Kernel, tmp_path: Path) -> None:
    note = tmp_path / "was here"
    ran = kernel.run(
        "%%snakepit_exec -t any --idempotent\n"
        "import os, pathlib\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "print('begun', flush=True)\n"
        "if not note.exists():\n"
        "    note.touch()\n"
        "    os._exit(7)\n"
        "print('done')\n"
    )

    assert ran.status == "ok"
    assert "it ended with exit code 7. The cell may run twice: it runs again." in ran.text
    assert "done" in ran.text


def test_a_cell_that_may_not_run_twice_does_not(kernel: Kernel, tmp_path: Path) -> None:
    note = tmp_path / "runs"
    ran = kernel.run(
        "%%snakepit_exec -t any\n"
        "import os, pathlib\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "note.write_text(note.read_text() + '.' if note.exists() else '.')\n"
        "os._exit(7)\n"
    )

    assert ran.status == "error"
    assert "--idempotent" in ran.content("error")["evalue"]
    assert note.read_text() == "."
