"""What Tab offers on a line of the magics."""

import pytest

from snakepit_nb.notebook.cell_options import cell_parser
from snakepit_nb.notebook.line_completion import Known, complete_options, complete_subcommand
from snakepit_nb.notebook.subcommands import SUBCOMMANDS

PARSERS = {name: subcommand.parser for name, subcommand in SUBCOMMANDS.items()}
KNOWN = Known(
    pools=("default", "gpu"),
    sessions=("notebook", "s1"),
    workers=("w0", "w1"),
    variables=("data", "delta", "x"),
    tools={"embed": ("text", "dims"), "train": ("epochs",)},
)


@pytest.mark.parametrize(
    ("line", "start", "offered"),
    [
        ("", "sta", ["start", "status"]),
        ("start", "--pro", ["--profile"]),
        ("start --profile", "", ["process", "thread"]),
        ("start --profile", "t", ["thread"]),
        ("start --quiet", "", []),
        ("stop", "", ["default", "gpu"]),
        ("use", "g", ["gpu"]),
        ("restart", "w", ["w0", "w1"]),
        ("restart -p", "", ["default", "gpu"]),
        ("call", "e", ["embed"]),
        ("call embed", "", ["dims=", "text="]),
        ("call embed text=1", "d", ["dims="]),
        ("call embed", "--t", ["--timeout"]),
        ("logs", "w1", ["w1"]),
        ("nonsense", "", []),
    ],
)
def test_a_line_of_snakepit(line: str, start: str, offered: list[str]) -> None:
    assert complete_subcommand(line.split(), start, PARSERS, KNOWN) == offered


@pytest.mark.parametrize(
    ("words", "start", "offered"),
    [
        ("", "--idem", ["--idempotent"]),
        ("-s", "", ["notebook", "s1"]),
        ("--session", "s", ["s1"]),
        ("-i", "d", ["data", "delta"]),
        ("-t", "", ["all", "any", "w0", "w1"]),
        ("-q", "", []),
    ],
)
def test_the_first_line_of_a_cell(words: str, start: str, offered: list[str]) -> None:
    assert complete_options(words.split(), start, cell_parser(), KNOWN) == offered
