"""A cell runs on the workers that its first line names."""

import time
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 3")
    bridged.worker_pids()
    bridged.check("%%snakepit_exec -t all\nimport os")
    yield bridged
    bridged.check("%snakepit stop --now")


def test_a_cell_for_all_workers_runs_on_each_and_brings_its_values_by_worker(
    kernel: Kernel,
) -> None:
    ran = kernel.check("%%snakepit_exec -t all -r pid\npid = os.getpid(); print('here')")

    assert ran.text == "[w0] here\n[w1] here\n[w2] here\n"
    assert kernel.check("pid").value == kernel.worker_pids()


@pytest.mark.parametrize(
    ("spec", "workers"), [("0,2", ["w0", "w2"]), ("1:", ["w1", "w2"]), ("w2,w0", ["w2", "w0"])]
)
def test_targets_may_be_some_workers(kernel: Kernel, spec: str, workers: list[str]) -> None:
    kernel.check(f"%%snakepit_exec -t {spec} -r pid\npid = os.getpid()")

    assert kernel.check("list(pid)").value == workers


@pytest.mark.parametrize("spec", ["1", "w1", "-2"])
def test_a_single_worker_shows_and_returns_as_a_session_does(kernel: Kernel, spec: str) -> None:
    kernel.check("%%snakepit_exec -t w1 -r pid\nmine = 'of w1'; pid = os.getpid()")

    assert kernel.check(f"%%snakepit_exec -t {spec}\nmine").value == "of w1"
    assert kernel.check("pid").value == kernel.worker_pids()["w1"]


def test_a_workers_variables_are_its_own_and_nobody_elses(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -t 0\nonly_here = 1")

    assert kernel.run("%%snakepit_exec -t 1\nonly_here").reply["ename"] == "NameError"
    assert kernel.run("%%snakepit_exec\nonly_here").reply["ename"] == "NameError"
    refused = kernel.run("%%snakepit_exec -s worker:w0\nonly_here")
    assert refused.text == (
        "UsageError: session 'worker:w0': such are the workers' own. "
        "Take --targets w0, or pool.worker('w0').\n"
    )


def test_the_workers_run_at_the_same_time(kernel: Kernel) -> None:
    begun = time.perf_counter()
    kernel.check("%%snakepit_exec -t all\nimport time; time.sleep(1)")

    assert time.perf_counter() - begun < 2.5  # one after the other it is three


def test_errors_are_one_group_with_each_workers_own_traceback(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec -t all\nbefore = 1\n1 / (os.getpid() - os.getpid())")

    assert ran.reply["ename"] == "WorkersFailedError"
    assert "the cell failed on 3 of 3 workers: w0, w1, w2" in ran.text
    assert ran.text.count("ZeroDivisionError: division by zero") == 3
    assert ran.text.count("----> 2 1 / (os.getpid() - os.getpid())") == 3
    assert {"[w0]", "[w1]", "[w2]"} < set(ran.text.splitlines())
    assert [kind for kind, _ in ran.outputs] == ["error"]


def test_some_may_fail_and_what_the_others_made_is_brought(kernel: Kernel) -> None:
    pids = kernel.worker_pids()

    ran = kernel.run(
        f"%%snakepit_exec -t all -r made\n"
        f"if os.getpid() == {pids['w1']}: raise KeyError('w1 cannot')\n"
        f"made = os.getpid()"
    )

    assert ran.reply["evalue"].startswith("the cell failed on 1 of 3 workers: w1")
    assert kernel.check("made").value == {"w0": pids["w0"], "w2": pids["w2"]}


def test_the_group_can_be_caught_by_the_notebooks_code(kernel: Kernel) -> None:
    ran = kernel.check(
        "try:\n"
        "    get_ipython().run_cell_magic('snakepit_exec', '-t all', '1 / 0')\n"
        "except* ZeroDivisionError as group:\n"
        "    print(len(group.exceptions))"
    )

    assert ran.text == "3\n"
    after = kernel.run("1 / 0")
    assert after.reply["ename"] == "ZeroDivisionError"
    assert "1 / 0" in after.text


def test_an_interrupt_stops_all_of_them_and_keeps_their_variables(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -t all\nkept = os.getpid()")
    pids = kernel.worker_pids()
    running = kernel.begin(
        "%%snakepit_exec -t all --group-outputs none\nprint('begun')\nwhile True: pass"
    )
    for worker in ("w0", "w1", "w2"):
        running.wait_for(f"[{worker}] begun")

    kernel.interrupt()
    ran = running.finish()

    assert ran.status == "error"
    assert ran.text.count("KeyboardInterrupt") >= 3
    assert kernel.worker_pids() == pids
    kernel.check("%%snakepit_exec -t all -r kept\npass")
    assert kernel.check("kept").value == pids


def test_any_is_none_of_the_workers_own_variables(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -t all\nof_worker = 1")

    assert kernel.run("%%snakepit_exec -t any\nof_worker").reply["ename"] == "NameError"


def test_outputs_are_grouped_as_they_are_asked_to_be(kernel: Kernel) -> None:
    code = "import sys\nprint('out'); print('err', file=sys.stderr); display('shown')"

    by_type = kernel.check(f"%%snakepit_exec -t 0,1 --group-outputs type\n{code}")
    by_order = kernel.check(f"%%snakepit_exec -t 0,1 --group-outputs order\n{code}")

    assert by_type.text == "[w0] out\n[w1] out\n[w0] err\n[w1] err\n[w0]\n[w1]\n"
    assert by_order.text == "[w0] out\n[w1] out\n[w0] err\n[w1] err\n[w0]\n[w1]\n"
    by_worker = kernel.check(f"%%snakepit_exec -t 0,1\n{code}")
    assert by_worker.text == "[w0] out\n[w0] err\n[w0]\n[w1] out\n[w1] err\n[w1]\n"
    shown = [content["data"]["text/plain"] for kind, content in by_worker.outputs if "data" in kind]
    assert shown == ["'shown'", "'shown'"]


def test_a_worker_that_is_not_there_is_one_line_with_the_nearest(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec -t w7\npass")

    assert ran.text.startswith("UsageError: --targets w7: pool 'default' has no worker w7:")
    assert len(ran.text.splitlines()) == 1


def test_the_same_by_python(kernel: Kernel) -> None:
    kernel.check("p = snakepit_nb.pool()\np.exec('n = 5', targets='all')")

    assert kernel.check("p.exec('m = n + 1', targets='1:', returns=['m'])").value == {
        "m": {"w1": 6, "w2": 6}
    }
    assert kernel.check("p.worker('w0')['n'], p.worker(2)['n']").value == (5, 5)
    assert kernel.check("'n' in p.worker(1), 'zzz' in p.worker(1)").value == (True, False)
    assert kernel.check("p.exec('where = 1', session='mine', returns='where')").value == {
        "where": 1
    }
    assert (
        kernel.run("p.exec('1', target='all')")
        .reply["evalue"]
        .startswith("A cell has no option 'target'")
    )


def test_a_worker_that_is_replaced_says_once_that_its_variables_are_gone(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -t all\nprecious = 1")
    kernel.check("%snakepit restart w1 --now")
    kernel.worker_pids()

    lost = kernel.run("%%snakepit_exec -t all -r precious\npass")

    assert lost.reply["evalue"].startswith("the cell failed on 1 of 3 workers: w1.1")
    assert "Session 'worker:w1': its worker w1 is gone" in lost.text
    assert "precious" in lost.text
    assert kernel.check("list(precious)").value == ["w0", "w2"]
    assert kernel.run("%%snakepit_exec -t w1\nprecious").reply["ename"] == "NameError"


def test_a_second_interrupt_kills_the_workers_that_go_on(kernel: Kernel) -> None:
    before = kernel.worker_pids()
    running = kernel.begin(
        "%%snakepit_exec -t 0,2 --group-outputs none\n"
        "import time\n"
        "print('begun')\n"
        "while True:\n"
        "    try:\n"
        "        while True: time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('swallowed')\n"
    )
    for word in ("begun", "swallowed"):
        for worker in ("w0", "w2"):
            running.wait_for(f"[{worker}] {word}")
        kernel.interrupt()

    ran = running.finish()

    assert ran.reply["ename"] == "WorkersFailedError"
    assert ran.text.count("killed by the second interrupt") == 2
    assert set(before.values()) & set(kernel.worker_pids().values()) == {before["w1.1"]}


def test_workers_with_threads_have_variables_of_their_own_too(bridged: Kernel) -> None:
    bridged.check("%snakepit start --workers 2 --profile thread --threads 2 --name threads")
    bridged.worker_pids("threads")
    bridged.check("%%snakepit_exec -p threads -t all -r pid\nimport os; pid = os.getpid()")

    assert bridged.check("pid").value == bridged.worker_pids("threads")
    ran = bridged.check("%%snakepit_exec -p threads -t all -a -o later -r same\nsame = pid")
    assert ran.outputs == ()
    assert bridged.check("later.result()['same'] == pid").value is True
    bridged.check("%snakepit stop threads")
