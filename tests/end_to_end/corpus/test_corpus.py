"""A cell in a worker shows exactly what it shows in a kernel of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.end_to_end.kernel_driver import open_kernel

from .cases import Case, read_cases
from .side import Side, Told

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


class Pair:
    """A plain kernel and one whose cells run in a worker, each in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened = ExitStack()
        self._sides: tuple[Side, Side] | None = None

    @contextmanager
    def sides(self) -> Iterator[tuple[Side, Side]]:
        """Lends both, plain first; what fails with them, they do not outlive."""
        self._sides = self._sides or (self._open("plain"), self._open("bridged"))
        try:
            yield self._sides
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._sides = None
        self._opened.close()

    def _open(self, name: str) -> Side:
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        kernel = self._opened.enter_context(open_kernel(directory))
        if name == "plain":
            kernel.check("pass")  # so that both count alike
            return Side(kernel, directory)
        kernel.check("%load_ext snakepit_nb\n%snakepit start --workers 1")
        return Side(kernel, directory, first_line="%%snakepit_exec\n")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.close()


@pytest.mark.parametrize("case", list(read_cases()), ids=str)
def test_a_cell_in_a_worker_shows_what_it_shows_in_its_own_kernel(pair: Pair, case: Case) -> None:
    with pair.sides() as (plain, bridged):
        told, expected = bridged.run(case), plain.run(case)
        for step, ours, theirs in zip(case.steps, told, expected, strict=True):
            assert bool(step.differs) == bool(step.because)
            is_meant = SpecifierSet(step.on).contains(version("ipykernel"))
            for path in step.differs if is_meant else ():
                assert _taken(ours, path) != _taken(theirs, path)
        assert told == expected


def _taken(told: Told, path: str) -> object:
    """Takes what stands there out of what was told."""
    *way, last = path.split(".")
    for name in way:
        told = told[name]
    return told.pop(last)
