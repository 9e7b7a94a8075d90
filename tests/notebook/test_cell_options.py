"""The first line of a cell, read."""

import pytest

from snakepit_nb.blocking.grouped_output import Grouping
from snakepit_nb.blocking.targets import parse_targets
from snakepit_nb.errors import UsageError
from snakepit_nb.notebook.cell_options import CellOptions, cell_parser, parse_cell_options


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", CellOptions()),
        ("-s mine", CellOptions(session="mine")),
        ("-t any", CellOptions(targets=parse_targets("any"))),
        ("-t all", CellOptions(targets=parse_targets("all"))),
        ("--targets -1", CellOptions(targets=parse_targets("-1"))),
        ("-t 0,2", CellOptions(targets=parse_targets("0,2"))),
        ("-a", CellOptions(background=True)),
        ("--async", CellOptions(background=True)),
        ("--bg -o later", CellOptions(background=True, out="later")),
        ("--noblock --out later", CellOptions(background=True, out="later")),
        ("--local", CellOptions(local=True)),
        ("--local -s mine -o later", CellOptions(local=True, session="mine", out="later")),
        ("--no-raise", CellOptions(raises=False)),
        ("-r a,b --trust-results", CellOptions(returns=("a", "b"), trust_results=True)),
        ("-t all --group-outputs order", None),
    ],
)
def test_options_are_read(line: str, options: CellOptions | None) -> None:
    expected = options or CellOptions(targets=parse_targets("all"), grouping=Grouping.ORDER)
    assert parse_cell_options(line.split()) == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-s mine -t all", "--targets and --session exclude each other"),
        ("-o later", "--out later: it names the handle of a cell with --async"),
        ("-a -o no-name", "--out no-name: this is no name of a variable"),
        ("--group-outputs engine", "'engine'.*'none', 'worker', 'type', 'order'"),
        ("--asnyc", "has no option '--asnyc': did you mean '--async'"),
        ("--noraise", "did you mean '--no-raise'"),
        ("-t 0;1", "--targets 0;1: give any, all, a number"),
    ],
)
def test_options_that_do_not_fit_are_one_line(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_cell_options(line.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "option",
    ["--targets", "--async", "--bg", "--noblock", "--out", "--trust-results", "--group-outputs"],
)
def test_help_tells_of_each_option(option: str) -> None:
    assert option in cell_parser().format_help()
