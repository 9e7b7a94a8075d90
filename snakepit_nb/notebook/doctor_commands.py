"""The subcommand of `%snakepit` that looks whether pools work here."""

import argparse
import json

from snakepit_nb.blocking import face

from .cell_options import OptionParser
from .subcommand import Subcommand, Surroundings
from .widgets.doctor_view import doctor_view


def doctor_commands() -> dict[str, Subcommand]:
    """Makes it, by name."""
    doctor = OptionParser("%snakepit doctor", "Looks whether pools work here, and what to do.")
    doctor.add_argument("--quick", action="store_true", help="start no worker to try it")
    doctor.add_argument("--json", action="store_true", help="tell it as JSON, for programs")
    doctor.add_argument(
        "-n", "--workers", type=int, metavar="N", help="look whether there is room for so many"
    )
    doctor.add_argument("--python", default="", metavar="EXE", help="try this interpreter")
    return {"doctor": Subcommand(parser=doctor, run=_doctor)}


def _doctor(found: argparse.Namespace, _: Surroundings) -> object:
    examined = face.doctor(quick=found.quick, workers=found.workers, python=found.python)
    if found.json:
        print(json.dumps(examined.plain(), indent=2))
        return None
    return doctor_view(examined)
