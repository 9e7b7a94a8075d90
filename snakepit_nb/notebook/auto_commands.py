"""`%snakepit auto on|off`."""

import argparse

from snakepit_nb.blocking import face
from snakepit_nb.errors import UsageError

from .cell_options import OptionParser, parse_cell_options
from .subcommand import Subcommand, Surroundings


def auto_commands() -> dict[str, Subcommand]:
    """Makes it, by name."""
    auto = OptionParser("%snakepit auto", "Runs all cells that follow in a worker, or ends that.")
    auto.add_argument("state", nargs="?", choices=["on", "off"], help="what to do; else tells it")
    auto.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="with on: options of %%%%snakepit_exec, such as -s NAME, for each of them",
    )
    return {"auto": Subcommand(parser=auto, run=_auto)}


def _auto(found: argparse.Namespace, surroundings: Surroundings) -> object:
    auto = surroundings.auto
    if auto is None:
        raise UsageError("%snakepit auto needs the kernel of a notebook.")
    if found.state == "on":
        face.pool(parse_cell_options(found.options).pool)  # or it says that there is none
        auto.turn_on(found.options)
    elif found.options:
        raise UsageError(f"auto {found.state}: what is {found.options[0]!r}?")
    elif found.state == "off":
        auto.turn_off()
    print(auto.note or "auto is off: cells run in the kernel.")
    return None
