"""What a worker's cell asks is asked in the notebook, as what a cell of the kernel asks is."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .kernel_driver import Kernel, Ran, open_kernel, without_colours

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

AT_MOST = 1.0  # seconds from an interrupt to the kernel's reply

Kernels = tuple[Kernel, Kernel]
"""A plain one, and one with a worker."""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    directory = tmp_path_factory.mktemp("stdin")
    with open_kernel(directory) as plain, open_kernel(directory) as bridged:
        bridged.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        # There breakpoint() is for debugpy's front ends, and does nothing where none is attached.
        plain.check("import sys\nsys.breakpointhook = sys.__breakpointhook__")
        yield plain, bridged


def conversation(kernel: Kernel, code: str, answers: Sequence[str]) -> tuple[list[Any], Ran]:
    """Runs a cell and answers what it asks; returns what it asked, and what came of it."""
    running = kernel.begin(code)
    asked = []
    for answer in answers:
        asked.append(running.asked())
        running.answer(answer)
    return asked, running.finish()


def both(
    kernels: Kernels, code: str, answers: Sequence[str] = ()
) -> tuple[tuple[list[Any], Ran], tuple[list[Any], Ran]]:
    plain, bridged = kernels
    return (
        conversation(plain, code, answers),
        conversation(bridged, "%%snakepit_exec\n" + code, answers),
    )


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        pytest.param("input()", ["you"], id="no prompt"),
        pytest.param("print('first')\ninput('Name? ')", ["you"], id="behind output"),
        pytest.param("input(3), input(None)", ["a", ""], id="a prompt that is no text"),
        pytest.param("import getpass\ngetpass.getpass()", ["secret"], id="a password"),
        pytest.param("from getpass import getpass\ngetpass('PIN: ')", ["1"], id="a PIN"),
        pytest.param("input()", ["Grüße 👋"], id="beyond ASCII"),
        pytest.param("input()", ["\x04"], id="the end of the file"),
        pytest.param(
            "import asyncio\nawait asyncio.sleep(0)\ninput()", ["you"], id="a cell that awaits"
        ),
        pytest.param(
            "import threading\nsaid = []\n"
            "thread = threading.Thread(target=lambda: said.append(input('from a thread ')))\n"
            "thread.start(); thread.join(); said",
            ["you"],
            id="a thread of the cell",
        ),
        pytest.param("%%capture captured\nx = input('hidden? ')", ["y"], id="captured"),
    ],
)
def test_a_cell_asks_as_in_its_own_kernel(kernels: Kernels, code: str, answers: list[str]) -> None:
    (asked_plain, plain), (asked, bridged) = both(kernels, code, answers)

    assert asked == asked_plain
    assert _without_numbers(bridged) == _without_numbers(plain)
    assert bridged.status == plain.status
    assert bridged.reply.get("ename") == plain.reply.get("ename")
    assert bridged.reply.get("evalue") == plain.reply.get("evalue")


def _without_numbers(ran: Ran) -> list[Any]:
    """What was shown, without the cell's number and, of an error, the lines of its traceback."""
    left_out = ("execution_count", "traceback")
    return [
        (kind, {key: value for key, value in content.items() if key not in left_out})
        for kind, content in ran.outputs
    ]


DEBUGGED = "def halve(n):\n    half = n / 2\n    breakpoint()\n    return half\nhalve(42)"


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        pytest.param(DEBUGGED, ["p half", "half = 7", "c"], id="breakpoint"),
        pytest.param("import pdb\nx = 5\npdb.set_trace()\nx", ["p x", "c"], id="set_trace"),
    ],
)
def test_the_debugger_talks_to_the_notebook(
    kernels: Kernels, code: str, answers: list[str]
) -> None:
    (asked_plain, plain), (asked, bridged) = both(kernels, code, answers)

    assert asked == asked_plain
    assert bridged.status == plain.status == "ok"
    assert _without_places(bridged.text) == _without_places(plain.text)
    assert bridged.value == plain.value


def test_debug_looks_into_what_has_failed(kernels: Kernels) -> None:
    failing = "def divide(top, bottom):\n    return top / bottom\ndivide(4, 0)"
    both(kernels, failing)

    (asked_plain, plain), (asked, bridged) = both(kernels, "%debug", ["p top", "u", "q"])

    assert asked == asked_plain
    assert "4" in bridged.text.split()
    assert _without_places(bridged.text) == _without_places(plain.text)


def _without_places(text: str) -> list[str]:
    """The lines, without those that name a file of the cell's own name."""
    return [line for line in without_colours(text).splitlines() if "ipykernel_" not in line]


@pytest.mark.parametrize("ask", ["input('? ')", "__import__('getpass').getpass('? ')"])
def test_where_nobody_can_answer_the_error_is_the_kernels(kernels: Kernels, ask: str) -> None:
    plain, bridged = kernels

    expected = plain.begin(ask, allow_stdin=False).finish()
    ran = bridged.begin(f"%%snakepit_exec\n{ask}", allow_stdin=False).finish()

    assert ran.reply["ename"] == expected.reply["ename"] == "StdinNotImplementedError"
    assert ran.reply["evalue"] == expected.reply["evalue"]
    assert "snakepit_nb" not in ran.text


def test_an_interrupt_at_the_prompt_ends_the_cell_and_not_its_session(kernels: Kernels) -> None:
    plain, bridged = kernels
    replies = []
    bridged.check("%%snakepit_exec\nkept = 'kept'")
    pids = bridged.worker_pids()
    for kernel, magic in ((plain, ""), (bridged, "%%snakepit_exec\n")):
        running = kernel.begin(f"{magic}input('waits ')")
        running.asked()
        begun = time.monotonic()
        kernel.interrupt()
        ran = running.finish()
        assert time.monotonic() - begun < AT_MOST
        assert "snakepit_nb" not in ran.text
        replies.append((ran.reply["ename"], ran.reply["evalue"]))

    assert [name for name, _ in replies] == ["KeyboardInterrupt"] * 2
    # Where the interrupt comes before ipykernel waits, it says nothing, here as there.
    assert {value for _, value in replies} <= {"Interrupted by user", ""}
    assert bridged.check("%%snakepit_exec\nkept").value == "kept"
    assert bridged.worker_pids() == pids


def test_code_may_catch_the_interrupt_and_ask_again(kernels: Kernels) -> None:
    _, bridged = kernels
    pids = bridged.worker_pids()
    running = bridged.begin(
        "%%snakepit_exec\n"
        "for attempt in range(4):\n"
        "    try:\n"
        "        said = input(f'{attempt}? ')\n"
        "        break\n"
        "    except KeyboardInterrupt:\n"
        "        print('again')\n"
        "said"
    )
    for attempt in range(3):
        assert running.asked()["prompt"] == f"{attempt}? "
        bridged.interrupt()
    assert running.asked()["prompt"] == "3? "
    running.answer("at last")

    assert running.finish().content("execute_result")["data"]["text/plain"] == "'at last'"
    assert bridged.worker_pids() == pids


def test_a_worker_that_dies_at_its_prompt_withdraws_it(kernels: Kernels) -> None:
    _, bridged = kernels
    running = bridged.begin(
        "%%snakepit_exec\n"
        "import os, threading\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), 9)).start()\n"
        "input('waits ')"
    )
    running.asked()

    ran = running.finish()

    assert ran.reply["ename"] == "WorkerCrashedError"
    assert bridged.check("1 + 1").value == 2


def test_a_cell_whose_time_is_over_withdraws_its_prompt(kernels: Kernels) -> None:
    _, bridged = kernels
    bridged.check("%%snakepit_exec\npass")  # the worker is there
    running = bridged.begin("%%snakepit_exec --timeout 2s\ninput('waits ')")
    running.asked()

    assert running.finish().status == "error"
    assert bridged.check("1 + 1").value == 2


def test_after_a_debugger_a_cell_is_interrupted_as_ever(kernels: Kernels) -> None:
    _, bridged = kernels
    conversation(bridged, "%%snakepit_exec\nbreakpoint()\n1", ["c"])
    running = bridged.begin("%%snakepit_exec\nprint('begun')\nimport time\ntime.sleep(60)")
    running.wait_for("begun")

    bridged.interrupt()

    assert running.finish().reply["ename"] == "KeyboardInterrupt"


def test_sessions_on_threads_ask_side_by_side(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start -n 1 --profile thread")

        asked, ran = conversation(
            kernel, "%%snakepit_exec\nprint('one')\nx = input('? ')\nx", ["yes"]
        )
        assert asked == [{"prompt": "? ", "password": False}]
        assert ran.value == "yes"

        running = kernel.begin("%%snakepit_exec\ninput('? ')")
        running.asked()
        kernel.interrupt()
        assert running.finish().reply["ename"] == "KeyboardInterrupt"
        assert kernel.check("%%snakepit_exec\nx").value == "yes"


def test_a_session_by_hand_asks_in_the_notebook_too(kernels: Kernels) -> None:
    _, bridged = kernels

    asked, ran = conversation(
        bridged,
        "import snakepit_nb\nsnakepit_nb.pool().session('by hand').exec(\"print(input('? '))\")",
        ["yes"],
    )

    assert asked == [{"prompt": "? ", "password": False}]
    assert ran.text == "yes\n"
