"""Variables are copied between the notebook, sessions and workers."""

from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("import snakepit_nb\n%snakepit start --workers 2")
    bridged.worker_pids()
    yield bridged
    bridged.check("%snakepit stop --now")


def test_push_and_pull_copy_variables_to_the_notebooks_session_and_back(kernel: Kernel) -> None:
    kernel.check("a, b = [1], {'two': 2}")

    assert kernel.check("%snakepit push a b").text == "2 variables sent to session 'notebook'.\n"
    kernel.check("%%snakepit_exec\na.append(2); c = (a, b)")

    assert kernel.check("a").value == [1]  # a copy
    pulled = kernel.check("%snakepit pull a,c")
    assert pulled.text == "2 variables brought from session 'notebook'.\n"
    assert kernel.check("a, c").value == ([1, 2], ([1, 2], {"two": 2}))


def test_push_and_pull_know_sessions_workers_and_names_of_the_line(kernel: Kernel) -> None:
    kernel.check("n, name = 5, 'mine'")
    kernel.check("%snakepit push n -s $name")
    kernel.check("%snakepit push n -t all")
    kernel.check("%%snakepit_exec -t 0\nn = 6")

    assert kernel.check("%snakepit pull n -t all").text == "1 variable brought from w0, w1.\n"
    assert kernel.check("n").value == {"w0": 6, "w1": 5}
    kernel.check("%snakepit pull n -t w1")
    assert kernel.check("n").value == 5
    kernel.check("del n\n%snakepit pull n -s mine")
    assert kernel.check("n").value == 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("push nothing_such", "the notebook has no variable of this name"),
        ("pull nothing_such", "the session has no variable of this name"),
        ("push a -s one -t 0", "--targets and --session exclude each other"),
        ("push a -t any", "its variables would be gone at once"),
        ("push 1a", "%snakepit push 1a: this is no name of a variable"),
        ("push", "the following arguments are required: NAMES"),
        ("pull a -t w9", "has no worker w9"),
        ("pull a --trust-result", "did you mean '--trust-results'"),
    ],
)
def test_lines_that_do_not_fit_are_one_line(kernel: Kernel, line: str, words: str) -> None:
    kernel.check("a = 1")

    ran = kernel.run(f"%snakepit {line}")

    assert ran.status == "error"
    assert words in ran.text
    assert len(ran.text.splitlines()) == 1


def test_help_runs_nothing(kernel: Kernel) -> None:
    for name in ("push", "pull"):
        ran = kernel.check(f"%snakepit {name} --help")
        assert "--targets SPEC" in ran.text


def test_a_pull_unpickles_only_with_trust_results(kernel: Kernel) -> None:
    kernel.check("class Mine: pass\nmine = Mine()\nmine.n = 1\n%snakepit push mine Mine")
    kernel.check("%%snakepit_exec\nmine.n = 2")

    refused = kernel.run("%snakepit pull mine")
    assert "mine is a `__main__.Mine`, a type that is not carried" in refused.text
    assert "--trust-results" in refused.text
    kernel.check("%snakepit pull mine --trust-results")
    assert kernel.check("mine.n, type(mine) is Mine").value == (2, True)


def test_a_session_is_a_mapping_of_its_variables(kernel: Kernel) -> None:
    kernel.check("s = snakepit_nb.pool().session('mapping')\ns['x'] = 1\ns.push(y=2, z=3)")

    assert kernel.check("list(s), 'x' in s, 'w' in s").value == (["x", "y", "z"], True, False)
    kernel.check("del s['y']")
    assert kernel.check("list(s), s['x'], s.pull('x', 'z')").value == (
        ["x", "z"],
        1,
        {"x": 1, "z": 3},
    )
    caught = kernel.check(
        "for broken in (lambda: s['y'], lambda: s.__delitem__('y'), lambda: s['x y']):\n"
        "    try: broken()\n"
        "    except (KeyError, snakepit_nb.SnakepitError) as error: print(error)"
    )
    assert caught.text == (
        "Session 'mapping', variable 'y': the session has no variable of this name: "
        "there is 'x', 'z'.\n"
        "Session 'mapping' has no variable 'y'.\n"
        "'x y' is no name of a variable.\n"
    )
    assert kernel.check("s.exec('x += 1', returns='x')").value == {"x": 2}
    assert kernel.check("s.exec_async('x += 1', returns='x').result()").value == {"x": 3}


def test_a_sessions_bookkeeping_leaves_its_history_alone(kernel: Kernel) -> None:
    kernel.check("%%snakepit_exec -s history\nfirst = 1")
    kernel.check("h = snakepit_nb.pool().session('history')\nh['x'] = 1\nlist(h), h['x']")

    assert kernel.check("%%snakepit_exec -s history\nlen([code for code in In if code])").value == 2
