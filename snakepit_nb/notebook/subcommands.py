"""The subcommands of `%snakepit`: each parses its words, works, and returns what to show."""

from snakepit_nb.blocking import face
from snakepit_nb.errors import UsageError, nearest

from .auto_commands import auto_commands
from .call_commands import call_commands
from .cell_options import parse_arguments, split_words, wants_help
from .doctor_commands import doctor_commands
from .orphan_commands import orphan_commands
from .pool_commands import pool_commands
from .serve_commands import serve_commands
from .subcommand import Surroundings
from .trace_commands import trace_commands
from .variable_commands import variable_commands
from .widgets.status_view import status_view

SUBCOMMANDS = {
    **pool_commands(),
    **auto_commands(),
    **call_commands(),
    **variable_commands(),
    **trace_commands(),
    **serve_commands(),
    **orphan_commands(),
    **doctor_commands(),
}


def run_line(line: str, surroundings: Surroundings) -> object:
    """Runs one `%snakepit` line and returns what the notebook shall show, or None.

    Raises:
        UsageError: the line does not fit; the message names the nearest words.
        SnakepitError: what it asks for failed.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        return _status_or_hint(surroundings)
    if name in ("?", "-h", "--help"):
        print_help()
        return None
    if name not in SUBCOMMANDS:
        raise UsageError(f"%snakepit has no subcommand {name!r}: {nearest(name, SUBCOMMANDS)}")
    subcommand = SUBCOMMANDS[name]
    if wants_help(rest.split()):
        print(subcommand.parser.format_help())
        return None
    if subcommand.takes_arguments:
        options, arguments = _leading_options(rest)
        found = subcommand.parser.parse(split_words(options, surroundings.namespace))
        found.arguments = parse_arguments(arguments, surroundings.namespace)
    else:
        found = subcommand.parser.parse(split_words(rest, surroundings.namespace))
    return subcommand.run(found, surroundings)


def print_help() -> None:
    """Prints the subcommands with a line each."""
    lines = [f"  {name:<9} {sub.parser.description}" for name, sub in SUBCOMMANDS.items()]
    print(
        "%snakepit SUBCOMMAND ... drives a pool of workers; %%snakepit_exec runs a cell in one.\n"
        + "\n".join(lines)
        + "\n%snakepit SUBCOMMAND --help tells its options."
    )


def _status_or_hint(surroundings: Surroundings) -> object:
    try:
        return status_view(face.status(), surroundings.notes)
    finally:
        print("%snakepit --help tells what else there is.")


def _leading_options(rest: str) -> tuple[str, str]:
    """Splits `TOOL --timeout 5s k=v ...` before its first `k=v`."""
    words = rest.split(" ")
    for position, word in enumerate(words):
        if not word.startswith("-") and "=" in word:
            return " ".join(words[:position]), " ".join(words[position:])
    return rest, ""
