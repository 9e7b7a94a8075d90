"""Functions of the notebook, called by cells and tools of its workers."""

from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel, shown

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]

EXPOSED = """
import time, threading
from IPython.display import display, HTML
import snakepit_nb as snakepit

@snakepit.expose
def progress(steps):
    for step in range(steps):
        print("step", step)
    display(HTML("<b>done</b>"))
    return steps

@snakepit.expose
def dawdle():
    print("dawdles in", threading.current_thread().name, flush=True)
    time.sleep(60)

@snakepit.expose
def fail():
    raise ValueError("in the notebook")

@snakepit.expose
def exec_again():
    snakepit.pool().exec("y = 1")
"""

SLOW_READS = """
import anyio
from snakepit_nb.channel.grpc_channel import GrpcChannel
read = GrpcChannel._read_output

async def read_late(*arguments):
    await anyio.sleep(0.01)  # as where the kernel has much to do
    return await read(*arguments)

GrpcChannel._read_output = read_late
"""


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 1")
    bridged.check(EXPOSED)
    bridged.check("%%snakepit_exec\nfrom snakepit_nb.worker import host")
    yield bridged
    bridged.run("%snakepit stop --now")


def test_what_a_function_shows_is_the_output_of_the_cell_that_called(kernel: Kernel) -> None:
    ran = kernel.check("%%snakepit_exec\nprint('before')\nn = host.progress(2)\nprint('after', n)")

    assert ran.text == "before\nstep 0\nstep 1\nafter 2\n"
    kinds = [kind for kind, _ in ran.outputs]
    assert kinds == ["stream", "display_data", "stream"]


def test_what_cell_and_function_show_by_turns_never_changes_places(kernel: Kernel) -> None:
    kernel.check("@snakepit.expose\ndef tell(number):\n    print('notebook', number)")
    kernel.check(SLOW_READS)

    ran = kernel.check(
        "%%snakepit_exec\nfor n in range(20):\n    print('cell', n)\n    host.tell(n)"
    )
    kernel.check("GrpcChannel._read_output = read")

    assert ran.text == "".join(f"cell {n}\nnotebook {n}\n" for n in range(20))


def test_what_it_shows_for_a_cell_in_the_background_is_that_cells_too(kernel: Kernel) -> None:
    running = kernel.begin("%%snakepit_exec -a -o handle\nn = host.progress(2)\nprint('after', n)")
    running.finish()
    later = kernel.check("handle.result()\nprint('waited')")

    running.wait_late(lambda cell: "after" in shown(cell.outputs))
    assert "step 1" in shown(running.outputs)
    assert later.text == "waited\n"


def test_an_interrupt_hits_the_function_and_the_cell(kernel: Kernel) -> None:
    running = kernel.begin("%%snakepit_exec\nx = 41\nhost.dawdle()")
    running.wait_for("dawdles in MainThread")

    kernel.interrupt()
    ran = running.finish()

    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert kernel.check("%%snakepit_exec\nx + 1").value == 42


def test_an_error_shows_where_it_was_raised(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec\nhost.fail()")

    assert ran.status == "error"
    assert "ValueError" in ran.reply["ename"]
    told = "\n".join(ran.reply["traceback"])
    assert "in fail" in told
    assert "in the notebook" in told


def test_a_cell_that_waits_for_itself_is_told_so(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec\nhost.exec_again()")

    assert ran.status == "error"
    assert "can never run" in ran.reply["evalue"]
    assert kernel.check("%%snakepit_exec\n1").value == 1
