"""How the lines of `%snakepit` name the pool that they mean."""

import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.notebook.subcommands import SUBCOMMANDS

BY_NAME = ("dashboard", "ps", "sessions", "status", "stop", "tools")


@pytest.mark.parametrize("words", [["mine"], ["-p", "mine"], ["--pool=mine"]])
@pytest.mark.parametrize("name", BY_NAME)
def test_a_pool_is_named_bare_or_by_an_option(name: str, words: list[str]) -> None:
    assert SUBCOMMANDS[name].parser.parse(words).pool == "mine"


@pytest.mark.parametrize("name", BY_NAME)
def test_without_a_name_the_pool_in_use_is_meant(name: str) -> None:
    assert SUBCOMMANDS[name].parser.parse([]).pool is None


def test_two_pools_are_refused() -> None:
    with pytest.raises(UsageError, match="-p/--pool: not allowed with argument POOL"):
        SUBCOMMANDS["stop"].parser.parse(["mine", "-p", "other"])
