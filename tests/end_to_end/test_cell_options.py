"""What the first line of a cell asks for."""

from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 2")
    yield bridged
    bridged.check("%snakepit stop --now")


def test_variables_are_sent_along_and_brought_back(kernel: Kernel) -> None:
    kernel.check("numbers, scale = [1, 2, 3], 10")
    kernel.check(
        "%%snakepit_exec -i numbers,scale -r total,mean\n"
        "total = scale * sum(numbers); mean = total / len(numbers)"
    )

    assert kernel.check("total, mean").value == (60, 20.0)


def test_sessions_keep_their_variables_apart(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -s one\nmine = 1")
    kernel.check("%%snakepit_exec --session two\nmine = 2")

    assert kernel.check("%%snakepit_exec -s one\nmine").value == 1
    assert kernel.check("name = 'two'").status == "ok"
    assert kernel.check("%%snakepit_exec -s $name\nmine").value == 2


def test_a_cell_for_any_worker_leaves_nothing_behind(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -t any\nthrown_away = 1")

    ran = kernel.run("%%snakepit_exec -t any\nthrown_away")

    assert ran.reply["ename"] == "NameError"


def test_a_cell_that_runs_for_too_long_is_interrupted_and_its_session_stays(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec\nkept = 'kept'")

    ran = kernel.run("%%snakepit_exec --timeout 300ms\nimport time\nwhile True: time.sleep(60)")

    assert ran.reply["ename"] == "CallTimeoutError"
    assert "0.3 s" in ran.text
    assert kernel.check("%%snakepit_exec\nkept").value == "kept"


def test_a_quiet_cell_shows_nothing_but_its_error(kernel: Kernel) -> None:
    assert kernel.check("%%snakepit_exec -q\nprint(1)\ndisplay(2)\n3").outputs == ()
    ran = kernel.run("%%snakepit_exec -q\nprint(1)\n1 / 0")
    assert [kind for kind, _ in ran.outputs] == ["error"]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "get_ipython().events.register('post_execute', lambda: print('behind'))\n1 / 0",
            id="with output behind it",
        ),
        pytest.param("raise ExceptionGroup('one', [ZeroDivisionError()])", id="a group"),
    ],
)
def test_a_quiet_cell_shows_its_error_also_when_it_is(kernel: Kernel, code: str) -> None:
    ran = kernel.run(f"%%snakepit_exec -q -t any\n{code}")

    assert [kind for kind, _ in ran.outputs] == ["error"]
    assert ran.content("error")["ename"] == ran.reply["ename"]
    assert ran.reply["ename"] in ran.text


def test_an_error_can_be_caught_by_the_notebooks_code(kernel: Kernel) -> None:
    ran = kernel.check(
        "try:\n    %snakepit_exec 1 / 0\nexcept ZeroDivisionError as e:\n    print(e)"
    )

    assert ran.text == "division by zero\n"


def test_one_line_runs_in_the_notebooks_session_within_other_code(kernel: Kernel) -> None:
    kernel.check("%snakepit_exec counter = 0")
    kernel.check("for _ in range(3):\n    %snakepit_exec counter += 1")

    ran = kernel.check("%snakepit_exec print('{counter} $counter', counter)")

    assert ran.text == "{counter} $counter 3\n"


def test_output_can_be_captured_by_the_notebook(kernel: Kernel) -> None:
    kernel.check("%%capture caught\n%snakepit_exec print('text'); display('shown'); 5")

    assert kernel.check("caught.stdout, [o.data['text/plain'] for o in caught.outputs]").value == (
        "text\n",
        ["'shown'", "5"],
    )


@pytest.mark.parametrize("line", ["%%snakepit_exec --help", "%%snakepit_exec -h"])
def test_help_runs_nothing(kernel: Kernel, line: str) -> None:
    ran = kernel.check(f"{line}\nprint('ran')")

    assert "--session" in ran.text
    assert "ran\n" not in ran.text
