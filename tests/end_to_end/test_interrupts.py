"""The notebook's interrupt button stops what runs in a worker, and nothing else."""

import sys
import time
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel, Ran, Running

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

AT_MOST = 1.0  # seconds from the interrupt to the kernel's reply; 0.2 on an idle machine

ADAPTER = """
import time
from snakepit_nb.worker import Adapter, tool

class Waiting(Adapter):
    @tool
    def wait(self) -> None:
        while True:
            time.sleep(60)

    @tool
    def count(self):
        number = 0
        while True:
            yield {"number": number}
            number += 1
            time.sleep(0.01)

    @tool
    def ping(self) -> str:
        return "pong"
"""


@pytest.fixture
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("from pathlib import Path\nPath('waiting.py').write_text(" + repr(ADAPTER) + ");")
    bridged.check("%snakepit start --workers 2 --adapter waiting:Waiting")
    yield bridged
    bridged.run("%snakepit stop --now")


def interrupt(kernel: Kernel, running: Running) -> Ran:
    begun = time.perf_counter()
    kernel.interrupt()
    ran = running.finish()
    seconds = time.perf_counter() - begun
    sys.stdout.write(f"interrupted within {seconds * 1000:.0f} ms\n")
    assert seconds < AT_MOST
    return ran


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("while True: pass", id="a loop"),
        pytest.param("time.sleep(60)", id="a sleep"),
        pytest.param("await asyncio.sleep(60)", id="an await"),
        pytest.param("subprocess.run(['sleep', '60'])", id="a subprocess"),
        pytest.param("threading.Event().wait()", id="an event of threads"),
        pytest.param("while True: print(end='.')", id="a flood of output"),
    ],
)
def test_an_interrupt_stops_the_cell_and_leaves_its_session_and_other_workers_alone(
    kernel: Kernel, work: str
) -> None:
    kernel.check("%%snakepit_exec\nkept = 'kept'")
    kernel.check("%%snakepit_exec -s other\nimport os; kept = os.getpid()")
    pids = kernel.worker_pids()
    running = kernel.begin(
        f"%%snakepit_exec\nimport asyncio, subprocess, threading, time\nprint('begun')\n{work}"
    )
    running.wait_for("begun")

    ran = interrupt(kernel, running)

    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert work.split(":", maxsplit=1)[-1].strip() in ran.text  # the worker's traceback
    assert "snakepit_nb" not in ran.text
    assert kernel.worker_pids() == pids
    assert kernel.check("%%snakepit_exec\nkept").value == "kept"
    assert kernel.check("%%snakepit_exec -s other\nkept == os.getpid()").value is True


def test_a_second_interrupt_kills_a_worker_whose_code_goes_on(kernel: Kernel) -> None:
    before = kernel.worker_pids()
    running = kernel.begin(
        "%%snakepit_exec\n"
        "import time\n"
        "print('begun')\n"
        "while True:\n"
        "    try:\n"
        "        while True: time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('swallowed')\n"
    )
    running.wait_for("begun")
    kernel.interrupt()
    running.wait_for("swallowed")

    ran = interrupt(kernel, running)

    assert ran.reply["ename"] == "WorkerCrashedError", ran
    (line,) = (line for line in ran.text.splitlines() if line.startswith("WorkerCrashedError"))
    assert "killed by the second interrupt" in line
    assert "Session 'notebook' lost its variables" in line
    kernel.check("import snakepit_nb\nsnakepit_nb.pool().wait_ready()")
    after = kernel.worker_pids()
    assert len(set(before.values()) & set(after.values())) == 1
    assert kernel.check("%%snakepit_exec\n1 + 1").value == 2


def test_an_interrupt_takes_a_waiting_cell_out_of_the_queue(kernel: Kernel) -> None:
    kernel.check("%snakepit scale 1\nimport snakepit_nb")
    kernel.check("stream = snakepit_nb.pool().stream('count')\nnext(stream);")
    running = kernel.begin(tell_when("status.queued") + "%snakepit_exec 'never ' + 'runs'")
    running.wait_for("it is so")

    ran = interrupt(kernel, running)

    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert not [content for kind, content in ran.outputs if kind == "execute_result"]
    kernel.check("stream.close()")
    assert kernel.check("%snakepit call ping").value == "pong"


@pytest.mark.parametrize("line", ["call wait", "stream count"])
def test_an_interrupt_cancels_a_tool(kernel: Kernel, line: str) -> None:
    pids = kernel.worker_pids()
    running = kernel.begin(
        tell_when("any(worker.load for worker in status.workers)") + f"%snakepit {line}"
    )
    running.wait_for("it is so")

    ran = interrupt(kernel, running)

    assert ran.reply["ename"] == "KeyboardInterrupt"
    kernel.check("snakepit_nb.pool().call('ping'), snakepit_nb.pool().call('ping')")
    assert kernel.worker_pids() == pids


def test_an_interrupt_of_an_idle_kernel_harms_nothing(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec\nkept = 'kept'")
    pids = kernel.worker_pids()

    kernel.interrupt()

    assert kernel.check("%%snakepit_exec\nkept").value == "kept"
    assert kernel.worker_pids() == pids


def tell_when(condition: str) -> str:
    """Code that prints, while the rest of its cell runs, when a condition holds."""
    return (
        "import snakepit_nb, threading\n"
        "def tell():\n"
        f"    while not (lambda status: {condition})(snakepit_nb.status()): pass\n"
        "    print('it is so', flush=True)\n"
        "threading.Thread(target=tell).start()\n"
    )


def test_in_a_worker_with_threads_two_interrupts_end_plain_code(bridged: Kernel) -> None:
    bridged.check("%snakepit start --workers 1 --profile thread --name threads")
    heeding = bridged.begin(
        "%%snakepit_exec\n"
        "from snakepit_nb.worker import current_call\n"
        "kept = 'kept'\n"
        "print('begun')\n"
        "while not current_call().cancelled: pass\n"
        "print('it looked')"
    )
    heeding.wait_for("begun")
    assert "it looked" in interrupt(bridged, heeding).text
    assert bridged.check("%%snakepit_exec\nkept").value == "kept"

    ignoring = bridged.begin(
        "%%snakepit_exec\n"
        "print('begun')\n"
        "while not current_call().cancelled: pass\n"
        "print('goes on')\n"
        "while True: pass"
    )
    ignoring.wait_for("begun")
    bridged.interrupt()
    ignoring.wait_for("goes on")
    ran = interrupt(bridged, ignoring)

    assert ran.reply["ename"] == "WorkerCrashedError", ran
    assert "killed by the second interrupt" in ran.text
    assert "kept" in ran.text
    bridged.check("%snakepit stop --now")
