"""The command `snakepit-nb`: what is asked from a terminal, where no kernel need run.

Each subcommand is a function that adds its parser and one that runs. What it needs is imported when
it runs, so that none waits for what only another needs.
"""

import argparse
import json
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="snakepit-nb", description="Looks after pools of workers from a terminal."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_orphans(commands)
    _add_doctor(commands)
    found = parser.parse_args(arguments)
    status: int = found.run(found)
    return status


def _add_orphans(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "lists what killed kernels have left, or ends it"
    parser = commands.add_parser("orphans", help=what, description=what.capitalize() + ".")
    parser.add_argument("--kill", action="store_true", help="end it, and remove its files")
    parser.add_argument("--json", action="store_true", help="tell it as JSON, for programs")
    parser.set_defaults(run=_orphans)


def _orphans(found: argparse.Namespace) -> int:
    from snakepit_nb.launch.sweep import list_orphans, sweep  # noqa: PLC0415
    from snakepit_nb.notebook.widgets.orphans_view import orphans_view  # noqa: PLC0415

    orphans = sweep() if found.kill else list_orphans()
    if found.json:
        print(json.dumps([each.plain() for each in orphans], indent=2))
    else:
        print(orphans_view(orphans, is_swept=found.kill))
    return 1 if any(each.survivors for each in orphans) else 0


def _add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "looks whether pools work here, and says what to do where they do not"
    parser = commands.add_parser("doctor", help=what, description=what.capitalize() + ".")
    parser.add_argument("--quick", action="store_true", help="start no worker to try it")
    parser.add_argument("--json", action="store_true", help="tell it as JSON, for programs")
    parser.add_argument(
        "-n", "--workers", type=int, metavar="N", help="look whether there is room for so many"
    )
    parser.add_argument("--python", default="", metavar="EXE", help="try this interpreter")
    parser.set_defaults(run=_doctor)


def _doctor(found: argparse.Namespace) -> int:
    from snakepit_nb.blocking.doctor.examination import WORKERS, examine  # noqa: PLC0415
    from snakepit_nb.blocking.doctor.findings import Verdict  # noqa: PLC0415
    from snakepit_nb.notebook.widgets.doctor_view import doctor_view  # noqa: PLC0415

    examined = examine(quick=found.quick, workers=found.workers or WORKERS, python=found.python)
    if found.json:
        print(json.dumps(examined.plain(), indent=2))
    else:
        print(doctor_view(examined))
    return 1 if examined.verdict is Verdict.FAULT else 0


if __name__ == "__main__":
    sys.exit(main())
