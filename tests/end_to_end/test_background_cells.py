"""Cells that return at once, and what they show lands in their own cell."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernel_driver import Kernel, Output, Running, open_kernel, shown

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

CELLS = 50
SESSIONS = 5
LINES = 8


@pytest.fixture
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 2\nimport snakepit_nb")
    yield bridged
    bridged.check("%snakepit stop --now")


def contents(running: Running, kind: str) -> list[dict[str, object]]:
    return [content for found, content in running.outputs if found == kind]


def test_fifty_cells_at_once_show_everything_in_their_own_cell(kernel: Kernel) -> None:
    kernel.worker_pids()
    cells = [
        kernel.begin(
            f"%%snakepit_exec -a -s session{number % SESSIONS} -o handle{number}\n"
            "import sys, time\n"
            f"bar = display('begun {number}', display_id=True)\n"
            f"for line in range({LINES}):\n"
            f"    print('cell {number} line', line)\n"
            f"    bar.update('{number} at ' + str(line))\n"
            "    time.sleep(0.005)\n"
            f"print('stderr of {number}', file=sys.stderr)\n"
            f"{number}"
        )
        for number in range(CELLS)
    ]
    meanwhile = kernel.check("print('the kernel is free')")
    assert meanwhile.text == "the kernel is free\n"

    for number, cell in enumerate(cells):
        cell.wait_late(lambda running: bool(contents(running, "execute_result")))
        text = "".join(f"cell {number} line {line}\n" for line in range(LINES))
        assert streamed(cell.outputs, "stdout") == text
        assert streamed(cell.outputs, "stderr") == f"stderr of {number}\n"
        (display,) = contents(cell, "display_data")
        updates = contents(cell, "update_display_data")
        assert display["data"] == {"text/plain": f"'begun {number}'"}
        assert updates[-1]["data"] == {"text/plain": f"'{number} at {LINES - 1}'"}
        assert updates[-1]["transient"] == display["transient"]
        (value,) = contents(cell, "execute_result")
        assert value["data"] == {"text/plain": str(number)}
    kernel.check(f"[handle{CELLS - 1}.result(), handle0.result()]")


def streamed(outputs: list[Output], name: str) -> str:
    return "".join(
        str(content["text"])
        for kind, content in outputs
        if kind == "stream" and content["name"] == name
    )


def test_without_a_name_the_handle_is_the_cells_value(kernel: Kernel) -> None:
    cell = kernel.begin("%%snakepit_exec -a\nimport time; time.sleep(0.3); print('late')")
    ran = cell.finish()

    (handle,) = contents(cell, "execute_result")
    assert "<BackgroundCell cell [" in str(handle["data"])
    assert "late" not in ran.text
    cell.wait_late(lambda running: shown(running.outputs) == "late\n")


def test_cells_of_the_notebooks_session_keep_their_order(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -a\nimport time; time.sleep(0.3); trail = ['first']")
    kernel.check("%%snakepit_exec -a\ntime.sleep(0.1); trail.append('second')")
    kernel.check("%%snakepit_exec -a\ntrail.append('third')")

    assert kernel.check("%%snakepit_exec\ntrail").value == ["first", "second", "third"]


def test_the_handle_tells_the_state_and_brings_values(kernel: Kernel) -> None:
    kernel.check("from pathlib import Path\nnote = str(Path('state').absolute())")
    kernel.check(
        "%%snakepit_exec -a -o running -i note -r made\n"
        "import time\nfrom pathlib import Path\n"
        "while not Path(note).exists(): time.sleep(0.01)\n"
        "made = [1, 2]"
    )
    kernel.check("waiting = snakepit_nb.pool().exec_async('later = 2', returns='later')")
    kernel.check("while not running.running(): pass")

    states = kernel.check("repr(running), repr(waiting), running.done()").value
    assert " runs [sp-" in states[0]
    assert " waits [sp-" in states[1]
    assert states[2] is False
    shown_by_ps = kernel.check("%snakepit ps").content("execute_result")["data"]["text/plain"]
    assert kernel.check("running.correlation_id").value in shown_by_ps
    kernel.check("Path(note).touch()")

    assert kernel.check("running.result(), await waiting").value == (
        {"made": [1, 2]},
        {"later": 2},
    )
    assert kernel.check("made, running.done()").value == ([1, 2], True)
    assert " is done [sp-" in kernel.check("repr(running)").value


def test_result_and_cancel_know_background_cells(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -a -o first -r one\none = 1")
    kernel.check("%%snakepit_exec -a -o second -s other\nimport time\nwhile True: time.sleep(60)")
    kernel.check("while not second.running(): pass")
    kernel.check("first_id, second_id = first.correlation_id, second.correlation_id")

    assert kernel.check("%snakepit result $first_id").value == {"one": 1}
    assert kernel.check("%snakepit cancel $second_id").text == "1 call cancelled.\n"
    ran = kernel.run("%snakepit result -1")
    assert ran.reply["ename"] == "KeyboardInterrupt"


def test_cancelling_a_handle_interrupts_its_cell_and_keeps_its_session(kernel: Kernel) -> None:
    pids = kernel.worker_pids()
    kernel.check("%%snakepit_exec\nkept = 'kept'")
    cell = kernel.begin(
        "%%snakepit_exec -a -o endless\nimport time\nprint('begun')\nwhile True: time.sleep(60)"
    )
    cell.finish()
    cell.wait_late(lambda running: "begun" in shown(running.outputs))

    assert kernel.check("endless.cancel(), endless.cancelled()").value == (True, True)

    cell.wait_late(lambda running: "KeyboardInterrupt" in shown(running.outputs))
    assert kernel.check("%%snakepit_exec\nkept").value == "kept"
    assert kernel.worker_pids() == pids


def test_a_cell_that_waits_can_be_cancelled_before_it_runs(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -a -o slow\nimport time; time.sleep(1)")
    waiting = kernel.begin("%%snakepit_exec -a -o never\nprint('never')")
    waiting.finish()

    kernel.check("never.cancel()")

    waiting.wait_late(lambda running: "taken out of the queue" in shown(running.outputs))
    assert "never" not in streamed(waiting.outputs, "stdout")
    kernel.check("slow.result()")


def test_an_error_is_shown_in_its_cell_and_raised_by_its_handle(kernel: Kernel) -> None:
    cell = kernel.begin("%%snakepit_exec -a -o failing\nprint('before')\n1 / 0")
    assert cell.finish().status == "ok"
    cell.wait_late(lambda running: bool(contents(running, "error")))

    (error,) = contents(cell, "error")
    assert error["ename"] == "ZeroDivisionError"
    assert "----> 2 1 / 0" in shown(cell.outputs)
    ran = kernel.run("failing.result()")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert kernel.check("type(failing.exception()).__name__").value == "ZeroDivisionError"


def test_the_notebooks_interrupt_leaves_background_cells_alone(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -a -o going_on -s other\nimport time; time.sleep(1)")
    waiting = kernel.begin("print('begun')\ngoing_on.result()")
    waiting.wait_for("begun")

    kernel.interrupt()

    assert waiting.finish().reply["ename"] == "KeyboardInterrupt"
    assert kernel.check("going_on.result()").status == "ok"


def test_several_workers_run_in_the_background_too(kernel: Kernel) -> None:
    kernel.worker_pids()
    cell = kernel.begin("%%snakepit_exec -a -t all -r n -o both\nprint('here'); n = 1")
    cell.finish()

    assert kernel.check("both.result(), n").value == (
        {"n": {"w0": 1, "w1": 1}},
        {"w0": 1, "w1": 1},
    )
    cell.wait_late(lambda running: shown(running.outputs) == "[w0] here\n[w1] here\n")
    failing = kernel.begin("%%snakepit_exec -a -t all -o both\n1 / 0")
    failing.finish()
    failing.wait_late(lambda running: bool(contents(running, "error")))
    assert contents(failing, "error")[0]["ename"] == "WorkersFailedError"
    assert shown(failing.outputs).count("ZeroDivisionError: division by zero") == 2


def test_stopping_the_pool_waits_for_background_cells_and_stopping_now_ends_them(
    kernel: Kernel,
) -> None:
    cell = kernel.begin(
        "%%snakepit_exec -a -o last\nimport time; time.sleep(0.5); print('to its end')"
    )
    cell.finish()
    kernel.check("%snakepit stop")
    assert kernel.check("last.done(), last.result()").value == (True, None)
    cell.wait_late(lambda running: "to its end" in shown(running.outputs))

    kernel.check("%snakepit start --workers 1")
    cut = kernel.begin("%%snakepit_exec -a -o cut\nimport time; print('begun'); time.sleep(60)")
    cut.finish()
    cut.wait_late(lambda running: "begun" in shown(running.outputs))
    kernel.check("%snakepit stop --now")
    assert kernel.check("cut.done()").value is True
    assert kernel.run("cut.result()").reply["ename"] == "PoolClosedError"
    cut.wait_late(lambda running: "KeyboardInterrupt" in shown(running.outputs))
    kernel.check("%snakepit start --workers 1")


def test_a_kernel_that_shuts_down_ends_its_background_cells(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start --workers 2")
        pids = kernel.worker_pids()
        cell = kernel.begin("%%snakepit_exec -a\nimport time; print('begun'); time.sleep(600)")
        cell.finish()
        cell.wait_late(lambda running: "begun" in shown(running.outputs))

        begun = time.monotonic()
        kernel.manager.shutdown_kernel()

        assert time.monotonic() - begun < 15
        deadline = time.monotonic() + 15
        while any(Path(f"/proc/{pid}").exists() for pid in pids.values()):
            assert time.monotonic() < deadline
            os.sched_yield()
