"""Tab and Shift-Tab in a real kernel: cells of a worker are answered by its session."""

from collections.abc import Iterator
from typing import Any

import pytest

from .kernel_driver import Kernel, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SET_UP = """
import collections
numbers_of_mine = [1, 2]
def mine(first):
    'Says so.'
    return first
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("completion")) as opened:
        opened.check("%load_ext snakepit_nb")
        opened.check("%snakepit start -n 2 -q")
        opened.check(f"%%snakepit_exec\n{SET_UP}")
        opened.check(f"%%snakepit_exec -s other\n{SET_UP.replace('mine', 'others')}")
        complete(opened, "%%snakepit_exec\nnumb")  # loads what completes, however long that takes
        yield opened


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with open_kernel(tmp_path_factory.mktemp("plain")) as opened:
        opened.check(SET_UP)
        yield opened


def complete(kernel: Kernel, code: str) -> dict[str, Any]:
    reply = kernel.client.complete(code, reply=True, timeout=30)
    content: dict[str, Any] = reply["content"]
    return content


def inspect(kernel: Kernel, code: str, *, detail_level: int = 0) -> dict[str, Any]:
    reply = kernel.client.inspect(code, detail_level=detail_level, reply=True, timeout=30)
    content: dict[str, Any] = reply["content"]
    return content


@pytest.mark.parametrize(
    "body",
    [
        "numbers_of_m",
        "numbers_of_mine.app",
        "x = 1\ncollections.Ordered",
        "print(numbers_of_mi",
        "import colle",
        "%time",
        "collections.",
    ],
)
def test_a_cell_is_completed_as_in_the_plain_kernel(
    kernel: Kernel, plain: Kernel, body: str
) -> None:
    first = "%%snakepit_exec\n"
    ours, theirs = complete(kernel, first + body), complete(plain, body)

    assert theirs["matches"]
    assert set(ours["matches"]) == set(theirs["matches"])
    assert ours["cursor_start"] - len(first) == theirs["cursor_start"]
    assert ours["cursor_end"] - len(first) == theirs["cursor_end"]


def test_each_session_completes_its_own_names(kernel: Kernel) -> None:
    assert complete(kernel, "%%snakepit_exec -s other\nnumbers_of_")["matches"] == [
        "numbers_of_others"
    ]
    assert complete(kernel, "%%snakepit_exec -s nobody\nnumbers_of_")["matches"] == []


def test_the_lines_of_the_magics_are_completed(kernel: Kernel) -> None:
    assert complete(kernel, "%snakepit sta")["matches"] == ["start", "status"]
    assert complete(kernel, "%%snakepit_exec --idem")["matches"] == ["--idempotent"]
    assert complete(kernel, "%%snakepit_exec -s ")["matches"] == ["notebook", "other"]
    assert complete(kernel, "x = 1\n%snakepit restart ")["matches"] == ["w0", "w1"]


@pytest.mark.parametrize("name", ["mine", "numbers_of_mine", "collections.OrderedDict"])
@pytest.mark.parametrize("detail_level", [0, 1])
def test_a_name_is_inspected_as_in_the_plain_kernel(
    kernel: Kernel, plain: Kernel, name: str, detail_level: int
) -> None:
    ours = inspect(kernel, f"%%snakepit_exec\n{name}", detail_level=detail_level)
    theirs = inspect(plain, name, detail_level=detail_level)

    assert theirs["found"]
    assert ours["data"].keys() == theirs["data"].keys()
    for line in ("Type", "Docstring", "Signature", "String form"):
        assert (line in ours["data"]["text/plain"]) == (line in theirs["data"]["text/plain"])


def test_what_no_session_knows_is_asked_of_the_kernel(kernel: Kernel) -> None:
    assert inspect(kernel, "%%snakepit_exec\nnobody_knows_it")["found"] is False
    assert inspect(kernel, "print")["found"] is True
    assert "print" in complete(kernel, "prin")["matches"]
