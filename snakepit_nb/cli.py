"""The command `snakepit-nb`: what is asked from a terminal, where no kernel need run.

Each subcommand is a function that adds its parser and one that runs. What it needs is imported when
it runs, so that none waits for what only another needs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from snakepit_nb.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="snakepit-nb", description="Looks after pools of workers from a terminal."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_orphans(commands)
    _add_doctor(commands)
    _add_kernel(commands)
    found, others = parser.parse_known_args(arguments)
    if others and found.run is not _install_kernel:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    found.others = others
    try:
        status: int = found.run(found)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
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


def _add_kernel(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "adds the kernel 'Python (snakepit)' to Jupyter, or takes it away"
    kernel = commands.add_parser(
        "kernel", help=what, description="Looks after the kernel whose cells run in workers."
    )
    actions = kernel.add_subparsers(required=True, metavar="ACTION")
    install = actions.add_parser(
        "install",
        help="adds it",
        description="Adds it. All other options are those of %snakepit start, such as -n 2, for "
        "the pool that the kernel starts; without any it has one worker.",
        allow_abbrev=False,
    )
    install.add_argument(
        "--display-name", default="Python (snakepit)", metavar="TEXT", help="for the launcher"
    )
    install.set_defaults(run=_install_kernel)
    remove = actions.add_parser("remove", help="takes it away", description="Takes it away.")
    remove.set_defaults(run=_remove_kernel)
    for action in (install, remove):
        action.add_argument("--name", default="snakepit", help="by which Jupyter knows it")
        where = action.add_mutually_exclusive_group()
        where.add_argument("--user", action="store_true", help="in the user's home")
        where.add_argument(
            "--sys-prefix",
            dest="prefix",
            action="store_const",
            const=sys.prefix,
            default=sys.prefix,
            help="in the environment of this Python; the default",
        )
        where.add_argument("--prefix", default=sys.prefix, metavar="DIR", help="in another one")


def _install_kernel(found: argparse.Namespace) -> int:
    from snakepit_nb.notebook.kernel_spec import install_kernel  # noqa: PLC0415

    place = install_kernel(
        _kernels(found),
        name=found.name,
        display_name=found.display_name,
        start_options=found.others,
    )
    print(f"Installed: {place}")
    return 0


def _remove_kernel(found: argparse.Namespace) -> int:
    from snakepit_nb.notebook.kernel_spec import remove_kernel  # noqa: PLC0415

    print(f"Removed: {remove_kernel(_kernels(found), name=found.name)}")
    return 0


def _kernels(found: argparse.Namespace) -> Path:
    from snakepit_nb.notebook.kernel_spec import kernels_of, kernels_of_user  # noqa: PLC0415

    return kernels_of_user() if found.user else kernels_of(found.prefix)


if __name__ == "__main__":
    sys.exit(main())
