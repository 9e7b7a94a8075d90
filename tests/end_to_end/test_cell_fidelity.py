"""A cell in a worker shows exactly what it shows in a kernel of its own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .kernel_driver import Kernel, Ran, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

CELLS = Path(__file__).parent / "cells"

MASKS = (
    (r"ipykernel_\d+/\d+\.py", "ipykernel_PID/HASH.py"),
    (r"\(\d{6,}\.py, line", "(HASH.py, line"),
    (r"\b[0-9a-f]{32}\b", "RANDOM"),
    (r"0x[0-9a-f]{6,}", "0xADDRESS"),
    (r"(?m)^(CPU times|Wall time).*\n", r"\1\n"),
    (r"(?m)^.* per loop .*\n", "TIME per loop\n"),
)


class Pair:
    """A kernel whose cells run in a worker, and a plain one, each in a directory of its own."""

    def __init__(self, plain: Kernel, bridged: Kernel, directory: Path) -> None:
        self._plain, self._bridged = plain, bridged
        self._directory = re.compile(re.escape(str(directory)) + "/(plain|bridged)")

    def run_plain(self, code: str, *, store_history: bool = True) -> dict[str, Any]:
        return self._comparable(self._plain.run(code, store_history=store_history))

    def run_bridged(self, code: str, *, store_history: bool = True) -> dict[str, Any]:
        bridged = f"%%snakepit_exec\n{code}"
        return self._comparable(self._bridged.run(bridged, store_history=store_history))

    def _comparable(self, ran: Ran) -> dict[str, Any]:
        told = ("status", "execution_count", "payload", "ename", "evalue", "traceback")
        reply = {key: ran.reply.get(key) for key in told}
        found: dict[str, Any] = self._masked({"outputs": list(ran.outputs), "reply": reply})
        return found

    def _masked(self, value: Any) -> Any:  # noqa: ANN401 (what messages hold)
        match value:
            case str():
                value = self._directory.sub("DIRECTORY", value)
                for pattern, masked in MASKS:
                    value = re.sub(pattern, masked, value)
                return value
            case dict():
                return {key: self._masked(item) for key, item in value.items()}
            case list() | tuple():
                return [self._masked(item) for item in value]
            case _:
                return value


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    for name in ("plain", "bridged"):
        (directory / name).mkdir()
    with (
        open_kernel(directory / "plain") as plain,
        open_kernel(directory / "bridged") as bridged,
    ):
        bridged.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        plain.check("pass")  # so that both count alike
        yield Pair(plain, bridged, directory)


def cases(name: str) -> list[Any]:
    found = []
    for case in re.split(r"(?m)^=== ", (CELLS / f"{name}.txt").read_text())[1:]:
        title, _, body = case.partition("\n")
        cells = body.removesuffix("\n").split("\n---\n")
        found.append(pytest.param(cells, id=f"{name}: {title}"))
    return found


FILES = ("text", "displays", "errors", "magics", "more_magics", "state")


@pytest.mark.parametrize("cells", [case for name in FILES for case in cases(name)])
def test_a_cell_in_a_worker_shows_what_it_shows_in_its_own_kernel(
    pair: Pair, cells: list[str]
) -> None:
    for cell in cells:
        assert pair.run_bridged(cell) == pair.run_plain(cell)


@pytest.mark.parametrize("method", ["__repr__", "_repr_html_"])
def test_a_value_that_cannot_be_shown_fails_its_cell(pair: Pair, method: str) -> None:
    cell = (
        "class Broken:\n"
        f"    def {method}(self): raise ValueError('broken')\n"
        "    def _repr_markdown_(self): return '*broken*'\n"
        "Broken()"
    )

    in_worker, plain = pair.run_bridged(cell), pair.run_plain(cell)

    assert in_worker["outputs"] == plain["outputs"]
    assert in_worker["reply"]["status"] == plain["reply"]["status"] == "error"
    # The kernel's own reply says NoneType here, which no front end shows.
    assert in_worker["reply"]["ename"] == "ValueError"


@pytest.mark.parametrize("code", ["1 + 1", "1 / 0", "def f(:"])
def test_a_cell_that_is_kept_out_of_the_history_shows_the_same_numbers(
    pair: Pair, code: str
) -> None:
    for store_history in (False, True):
        in_worker = pair.run_bridged(code, store_history=store_history)
        assert in_worker == pair.run_plain(code, store_history=store_history)
