"""`%snakepit auto on`: cells without a first line of their own run in a worker, as at home."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from .kernel_driver import Kernel, Ran, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("plain")) as opened:
        for _ in range(3):  # so that both count alike
            opened.check("pass")
        yield opened


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("auto")) as kernel:
        kernel.check("%load_ext snakepit_nb")
        kernel.check("%snakepit start -n 2 -q")
        kernel.check("%snakepit auto on")
        yield kernel


@pytest.fixture
def kernel(opened: Kernel) -> Iterator[Kernel]:
    yield opened
    opened.check("%snakepit start -n 2 -q")
    opened.check("%snakepit auto on")


def told(ran: Ran) -> tuple[Any, ...]:
    """What a front end is told of a cell."""
    keys = ("status", "execution_count", "payload", "ename", "evalue", "traceback")
    return (*ran.outputs, {key: ran.reply.get(key) for key in keys})


def ask(kernel: Kernel, code: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (as the client's)
    """What the kernel replies to a request that needs no more than its reply."""
    content: dict[str, Any] = kernel.client.execute(code, reply=True, timeout=30, **options)[
        "content"
    ]
    return content


def history(kernel: Kernel) -> list[str]:
    reply = kernel.client.history(hist_access_type="range", reply=True, timeout=30)
    return [source for _, _, source in reply["content"]["history"]]


def test_a_cell_is_told_as_in_the_plain_kernel(opened: Kernel, plain: Kernel) -> None:
    cells = (
        "x = 41\nx + 1",
        "\n\nIn[-1], _i, _",
        "def fail():\n    1 / 0\nfail()",
        "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')\nx",
        "%%capture caught\nprint(x)",
        "caught.stdout;",
        "def broken(:",
        "",
        "x?",
        ">>> x\n41",
        "import sys\nsys.exit(3)",
    )
    for code in cells:
        assert told(opened.run(code)) == told(plain.run(code)), code
        assert told(opened.run(code, store_history=False)) == told(
            plain.run(code, store_history=False)
        ), code
    assert history(opened)[4:] == history(plain)[4:]


def test_it_runs_in_the_session_of_the_notebook(kernel: Kernel) -> None:
    kernel.check("import os\ny = 1\nhere = os.getpid()")

    assert kernel.run("%%snakepit_exec\ny, here").value == (
        1,
        kernel.run("%snakepit_exec os.getpid()").value,
    )
    assert kernel.run("%%snakepit_exec --local\nimport os\nos.getpid()").value != (
        kernel.run("os.getpid()").value
    )


def test_what_a_cell_of_the_kernel_runs_itself_stays_there(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec --local\nhome = 'kernel'")

    for code in ("get_ipython().run_cell('here = home')\nhere", "%time home"):
        assert kernel.run(f"%%snakepit_exec --local\n{code}").value == "kernel"
    assert kernel.run("home").reply["ename"] == "NameError"


def test_the_front_end_may_ask_for_values_behind_a_cell(kernel: Kernel, plain: Kernel) -> None:
    for code in ("z = 3", "1 / 0"):
        wanted = {"value": "z", "wrong": "1 / 0", "shown": "print(z)"}
        ours, theirs = (
            ask(each, code, user_expressions=wanted)["user_expressions"] for each in (kernel, plain)
        )
        assert ours == theirs


def test_a_silent_cell_shows_no_value_and_is_not_remembered(kernel: Kernel, plain: Kernel) -> None:
    for each in (kernel, plain):
        each.check("quiet = 0")
        each.check(
            "seen = []\n"
            "get_ipython().events.register('post_run_cell', lambda result: seen.append(result))"
        )
    ours, theirs = (
        each.begin("quiet += 1\nprint(quiet)\nquiet", silent=True).finish()
        for each in (kernel, plain)
    )

    assert ours.outputs == theirs.outputs
    assert kernel.run("quiet, len(seen)").value == plain.run("quiet, len(seen)").value


def test_its_session_completes_and_inspects(kernel: Kernel) -> None:
    kernel.check("only_in_the_worker = 1")

    completed = kernel.client.complete("x\nonly_in", reply=True, timeout=30)["content"]
    inspected = kernel.client.inspect("only_in_the_worker", reply=True, timeout=30)["content"]

    assert completed["matches"] == ["only_in_the_worker"]
    assert (completed["cursor_start"], completed["cursor_end"]) == (2, 9)
    assert inspected["found"]
    assert kernel.client.complete("%snakepit au", reply=True, timeout=30)["content"]["matches"] == [
        "auto"
    ]


def test_it_takes_the_options_of_a_cell(kernel: Kernel) -> None:
    kernel.check("%snakepit auto on -s 'of its own'")
    kernel.check("w = 1")

    assert kernel.run("%%snakepit_exec -s 'of its own'\nw").value == 1
    assert ask(kernel, "", user_expressions={"w": "w"})["user_expressions"]["w"]["status"] == "ok"
    kernel.check("%snakepit auto on -t all")
    assert (
        "[w0] 0\n[w1] 1\n"
        in kernel.run("import os\nprint(os.environ['SNAKEPIT_WORKER_ID'][-1])").text
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("auto on --sesion x", "has no option '--sesion'"),
        ("auto on --local", "%snakepit auto off"),
        ("auto on -p nobody", "No pool 'nobody' runs"),
        ("auto off -s x", "what is '-s'?"),
        ("auto maybe", "maybe"),
    ],
)
def test_what_makes_no_sense_is_one_line(kernel: Kernel, line: str, words: str) -> None:
    ran = kernel.run(f"%snakepit {line}")

    assert ran.status == "error"
    assert words in ran.text
    assert ran.text.count("\n") == 1


def test_status_tells_that_it_is_on(kernel: Kernel) -> None:
    note = "auto is on: each cell runs as if it began with %%snakepit_exec"
    shown = kernel.run("%snakepit status").content("execute_result")["data"]

    assert note in shown["text/plain"]
    assert note in shown["text/html"]
    assert json.loads(kernel.run("%snakepit status --json").text)["notes"] == [note]
    assert kernel.run("%snakepit auto").text == f"{note}\n"
    kernel.check("%snakepit auto off")
    assert (
        note not in kernel.run("%snakepit status").content("execute_result")["data"]["text/plain"]
    )
    assert kernel.run("'SNAKEPIT_WORKER_ID' in __import__('os').environ").value is False


def test_a_pool_that_is_stopped_is_told_in_one_line(kernel: Kernel) -> None:
    kernel.check("%snakepit stop --now")

    assert kernel.run("x").text == (
        "PoolNotFoundError: No pool runs. Start one: %snakepit start "
        "(or let cells run in the kernel: %snakepit auto off)\n"
    )
    kernel.check("%snakepit start -n 2 -q")
    assert kernel.run("1 + 1").value == 2


def test_a_cell_whose_worker_dies_leaves_the_kernel_as_it_is(kernel: Kernel) -> None:
    ran = kernel.run("import os\nos.abort()")

    assert ran.reply["ename"] == "WorkerCrashedError"
    assert kernel.run("1 + 1").value == 2


def test_loading_the_extension_again_changes_nothing(kernel: Kernel) -> None:
    kernel.check("%reload_ext snakepit_nb")

    assert kernel.run("'SNAKEPIT_WORKER_ID' in __import__('os').environ").value is True
    assert kernel.pid != os.getpid()
