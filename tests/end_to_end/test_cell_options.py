"""What the first line of a cell asks for."""

from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


NOTEBOOK_CLASSES = """
from dataclasses import dataclass
from enum import Enum

class Plain:
    def __init__(self, number):
        self.number = number
    def twice(self):
        return helper(self.number)

@dataclass
class Point:
    x: int

class Colour(Enum):
    RED = 1

def helper(number):
    return 2 * number

plain, points, colour = Plain(21), [Point(1), Point(2)], Colour.RED
"""


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("import snakepit_nb\n%snakepit start --workers 2")
    bridged.check(NOTEBOOK_CLASSES)
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


def test_a_local_cell_runs_in_the_kernel_as_if_the_line_were_not_there(kernel: Kernel) -> None:
    local = "import asyncio, os\nawait asyncio.sleep(0)\nhere = os.getpid()\nhere"

    ran = kernel.check(f"\n%%snakepit_exec --local -s other\n{local}")

    assert ran.value == kernel.pid
    assert kernel.check("here").value == kernel.pid
    assert kernel.check("Out[max(Out)] is not None").value is True


def test_a_local_cell_fails_as_a_cell_of_the_kernel(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec --local\nbefore = 1\n1 / 0")

    assert ran.reply["ename"] == "ZeroDivisionError"
    assert "----> 3 1 / 0" in ran.text  # the line's place in the cell
    assert "snakepit" not in ran.text.replace("%%snakepit_exec", "")
    caught = kernel.check(
        "try:\n"
        "    get_ipython().run_cell_magic('snakepit_exec', '--local', '1 / 0')\n"
        "except ZeroDivisionError as error:\n"
        "    print('caught')"
    )
    assert caught.text.endswith("caught\n")
    assert kernel.run("%%snakepit_exec --local --bogus\n1").text.startswith(
        "UsageError: %%snakepit_exec has no option '--bogus'"
    )


@pytest.mark.parametrize("line", ["", " -t all", " -t any"])
def test_an_error_that_shall_not_be_raised_is_shown_and_run_all_goes_on(
    kernel: Kernel, line: str
) -> None:
    ran = kernel.run(f"%%snakepit_exec --no-raise{line}\nprint('before')\n1 / 0")

    assert ran.status == "ok"
    assert "ZeroDivisionError: division by zero" in ran.text
    assert ran.content("error")["ename"] in ("ZeroDivisionError", "WorkersFailedError")


def test_what_the_user_typed_and_what_he_stopped_is_raised_all_the_same(kernel: Kernel) -> None:
    assert kernel.run("%%snakepit_exec --no-raise --bogus\n1").status == "error"
    running = kernel.begin("%%snakepit_exec --no-raise\nprint('begun')\nwhile True: pass")
    running.wait_for("begun")
    kernel.interrupt()
    assert running.finish().reply["ename"] == "KeyboardInterrupt"


def test_functions_and_classes_of_the_notebook_travel_with_their_instances(kernel: Kernel) -> None:
    ran = kernel.check(
        "%%snakepit_exec -s travelled -i helper,Plain,Point,Colour,plain,points,colour -r back\n"
        "print(plain.twice(), type(plain) is Plain, points == [Point(1), Point(2)])\n"
        "print(colour is Colour.RED)\n"
        "back = [Point(3), Colour.RED]"
    )

    assert ran.text == "42 True True\nTrue\n"
    assert kernel.check("back == [Point(3), Colour.RED]").value is True
    kernel.check("%%snakepit_exec -t any -i points\nassert points[1].x == 2")  # without its class
    assert kernel.check("snakepit_nb.pool().submit(plain.twice).result()").value == 42


def test_a_value_that_cannot_travel_says_which_part_is_in_the_way(kernel: Kernel) -> None:
    kernel.check("import threading\nconfig = Plain(1)\nconfig.model = Plain(2)")
    kernel.check("config.model.lock = threading.Lock()")

    ran = kernel.run("%%snakepit_exec -i config\n1")

    assert ran.text == (
        "ValueEncodingError: variable 'config' of type Plain cannot be sent: config.model.lock is "
        "a `_thread.lock`, which cannot be pickled (cannot pickle '_thread.lock' object)\n"
    )
    back = kernel.run("%%snakepit_exec -r z\nimport threading\nz = {'model': [threading.Lock()]}")
    assert "--return z: z['model'][0] is a `_thread.lock`, a type that is not carried." in back.text


def test_what_the_codec_does_not_carry_comes_with_trust_results_only(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -s trusted -i Plain\nplain = Plain(5)")

    refused = kernel.run("%%snakepit_exec -s trusted -r plain\n1")
    kernel.check("%%snakepit_exec -s trusted -r plain --trust-results\nplain.number += 1")

    assert refused.text == (
        "UsageError: --return plain: plain is a `__main__.Plain`, a type that is not carried. "
        "To let the kernel unpickle what its workers send: --trust-results, or "
        "trust_results=True.\n"
    )
    assert kernel.check("plain.number, type(plain) is Plain").value == (6, True)
    impossible = kernel.run(
        "%%snakepit_exec -s trusted -r plain --trust-results\n"
        "import threading\nplain.lock = threading.Lock()"
    )
    assert "Nor can it be pickled: plain.lock is a `_thread.lock`" in impossible.text


def test_a_variable_to_bring_back_that_is_not_there_is_named(kernel: Kernel) -> None:
    ran = kernel.run("%%snakepit_exec -r totl\ntotal = 1")

    assert ran.text == (
        "UsageError: --return totl: the session has no variable of this name: "
        "did you mean 'total'?\n"
    )
