"""`%snakepit orphans`, without a notebook around it."""

from pathlib import Path

import pytest

from snakepit_nb.blocking import face
from snakepit_nb.errors import UsageError
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import state_directory
from snakepit_nb.notebook.pool_commands import pool_commands
from snakepit_nb.notebook.subcommand import Surroundings
from snakepit_nb.notebook.subcommands import run_line
from tests.launch.leaving import RESERVED, dead, leave

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def _left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    registry = Registry(state_directory())
    leave(registry, dead(), RESERVED)
    registry.close()


def test_orphans_are_listed_until_they_are_killed() -> None:
    listed = [shown("orphans"), shown("orphans"), shown("orphans --kill"), shown("orphans")]

    assert [text.splitlines()[0] for text in listed] == [
        "Left by killed kernels: 0 processes, 1 run",
        "Left by killed kernels: 0 processes, 1 run",
        "Ended and removed: 0 processes, 1 run",
        "No killed kernel has left anything.",
    ]
    assert "w9      reserved" in listed[0]


def test_the_same_in_python() -> None:
    assert len(face.orphans()) == 1
    assert len(face.orphans(kill=True)) == 1
    assert face.orphans() == ()


def test_other_words_are_refused() -> None:
    with pytest.raises(UsageError):
        shown("orphans --klil")


def test_a_pool_cleans_up_unless_it_is_told_not_to() -> None:
    parser = pool_commands()["start"].parser

    assert parser.parse([]).rogue_cleanup is None
    assert parser.parse(["--no-rogue-cleanup"]).rogue_cleanup is False


def shown(line: str) -> str:
    return str(run_line(line, Surroundings(namespace={})))
