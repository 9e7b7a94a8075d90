"""The subcommand of `%snakepit` that shows what killed kernels have left, and ends it."""

import argparse

from snakepit_nb.blocking import face

from .cell_options import OptionParser
from .subcommand import Subcommand, Surroundings
from .widgets.orphans_view import orphans_view


def orphan_commands() -> dict[str, Subcommand]:
    """Makes it, by name."""
    orphans = OptionParser("%snakepit orphans", "Lists what killed kernels have left, or ends it.")
    orphans.add_argument("--kill", action="store_true", help="end it, and remove its files")
    return {"orphans": Subcommand(parser=orphans, run=_orphans)}


def _orphans(found: argparse.Namespace, _: Surroundings) -> object:
    return orphans_view(face.orphans(kill=found.kill), is_swept=found.kill)
