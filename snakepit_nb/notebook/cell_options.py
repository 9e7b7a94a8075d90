"""The options of `%%snakepit_exec` and of the subcommands of `%snakepit`: words to values."""

import argparse
import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from snakepit_nb.blocking.grouped_output import Grouping
from snakepit_nb.blocking.targets import Targets, parse_targets
from snakepit_nb.errors import UsageError, nearest

CELL = "%%snakepit_exec"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    "": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_HELP_WORDS = frozenset({"?", "-h", "--help"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """What the first line of a `%%snakepit_exec` cell asks for."""

    pool: str | None = None
    session: str | None = None
    targets: Targets | None = None
    background: bool = False
    out: str | None = None
    """How the notebook shall call the handle of a cell in the background."""
    inputs: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    timeout: float | None = None
    correlation_id: str | None = None
    idempotent: bool = False
    trust_results: bool = False
    grouping: Grouping = Grouping.WORKER
    local: bool = False
    raises: bool = True
    quiet: bool = False


class OptionParser(argparse.ArgumentParser):
    """An argparse parser whose complaints are one-line UsageErrors, and which never exits."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(prog=name, description=description, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raises argparse's complaint as ours."""
        raise UsageError(f"{self.prog}: {message}. See {self.prog} --help.")

    @property
    def option_actions(self) -> dict[str, argparse.Action]:
        """What each option does, by each of its names."""
        return dict(self._option_string_actions)

    @property
    def arguments(self) -> list[argparse.Action]:
        """What stands without an option before it."""
        return [action for action in self._actions if not action.option_strings]

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parses words.

        Raises:
            UsageError: they do not fit; the message names the nearest options.
        """
        found, unknown = self.parse_known_args(words)
        if unknown:
            known = [option for option in self.option_actions if option.startswith("--")]
            wrong = unknown[0].partition("=")[0]
            raise UsageError(
                f"{self.prog} has no option {wrong!r}: {nearest(wrong, known)}"
                if wrong.startswith("-")
                else f"{self.prog}: what is {wrong!r}? See {self.prog} --help."
            )
        return found


def wants_help(words: Sequence[str]) -> bool:
    """Tells whether help is asked for; then nothing is to be run."""
    return any(word in _HELP_WORDS for word in words)


def split_words(line: str, namespace: Mapping[str, Any]) -> list[str]:
    """Splits a magic's line as a shell would, and fills in words that are `$name` or `{name}`.

    Raises:
        UsageError: a quote is not closed, or a name is not defined.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line!r}: {error}.") from None
    return [_filled_in(word, namespace) for word in words]


def _filled_in(word: str, namespace: Mapping[str, Any]) -> str:
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    match = re.fullmatch(r"\$(\w+)|\{(\w+)\}", value)
    if match is None:
        return word
    name = match[1] or match[2]
    if name not in namespace:
        raise UsageError(f"{word}: there is no variable {name!r} in the notebook.")
    return f"{flag}{equals}{namespace[name]}"


@cache
def cell_parser() -> OptionParser:
    """Makes the parser for the first line of a `%%snakepit_exec` cell."""
    parser = OptionParser(CELL, "Runs the cell in a worker, as the notebook's kernel would run it.")
    parser.add_argument("-p", "--pool", metavar="POOL", help="the pool; the one in use")
    parser.add_argument(
        "-s",
        "--session",
        metavar="NAME",
        help="the session; the notebook's own, with its variables",
    )
    parser.add_argument(
        "-t",
        "--targets",
        metavar="SPEC",
        help="workers, each with its own variables: all, 0, 0,2, 1:, w1; or any: whichever has "
        "room, with variables that are gone after it",
    )
    parser.add_argument(
        "-a",
        "--async",
        "--bg",
        "--noblock",
        dest="background",
        action="store_true",
        help="return at once; its output keeps coming into this cell",
    )
    parser.add_argument(
        "-o", "--out", metavar="VARIABLE", help="with --async: the variable for the cell's handle"
    )
    parser.add_argument(
        "-i", "--in", dest="inputs", metavar="A,B", default="", help="variables to send along"
    )
    parser.add_argument(
        "-r", "--return", dest="returns", metavar="X,Y", default="", help="variables to bring back"
    )
    parser.add_argument("--timeout", metavar="30s", help="interrupt it when it runs for longer")
    parser.add_argument("--correlation-id", metavar="ID", help="the id; else a fresh one")
    parser.add_argument(
        "--idempotent",
        action="store_true",
        help="it may run twice: run it again where its worker is lost",
    )
    parser.add_argument(
        "--trust-results",
        action="store_true",
        help="let --return unpickle what else could not come: a worker's code may run here",
    )
    parser.add_argument(
        "--group-outputs",
        choices=[str(grouping) for grouping in Grouping],
        default=str(Grouping.WORKER),
        help="with several workers, whose output comes first: as it comes, by worker (the "
        "default), by type, or the first output of each",
    )
    parser.add_argument(
        "--local", action="store_true", help="run it in the kernel, as if this line were not there"
    )
    parser.add_argument(
        "--no-raise",
        dest="raises",
        action="store_false",
        help="show its error, but let the cells that follow run",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show no output but the error, if any"
    )
    return parser


def parse_cell_options(words: Sequence[str]) -> CellOptions:
    """Reads the options of a cell.

    Raises:
        UsageError: they do not fit.
    """
    found = cell_parser().parse(words)
    session, targets = parse_place(found)
    if found.out is not None and not (found.background or found.local):
        raise UsageError(f"--out {found.out}: it names the handle of a cell with --async.")
    return CellOptions(
        pool=found.pool,
        session=session,
        targets=targets,
        background=found.background,
        out=None if found.out is None else _name("--out", found.out),
        inputs=parse_names("--in", found.inputs),
        returns=parse_names("--return", found.returns),
        timeout=None if found.timeout is None else parse_seconds("--timeout", found.timeout),
        correlation_id=found.correlation_id,
        idempotent=found.idempotent,
        trust_results=found.trust_results,
        grouping=Grouping(found.group_outputs),
        local=found.local,
        raises=found.raises,
        quiet=found.quiet,
    )


def parse_place(found: argparse.Namespace) -> tuple[str | None, Targets | None]:
    """Reads what `--session` and `--targets` say.

    Raises:
        UsageError: both say something, or the targets have no form that is known.
    """
    if found.targets is not None and found.session is not None:
        raise UsageError("--targets and --session exclude each other: give one of them.")
    return found.session, None if found.targets is None else parse_targets(found.targets)


def parse_bytes(option: str, text: str) -> int:
    """Reads a size such as `500MB`, `2GB` or `1.5GiB`; a plain number is bytes.

    Raises:
        UsageError: it is none, or not above 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text, re.IGNORECASE)
    unit = None if match is None else _BYTES.get(match[2].lower())
    size = 0 if match is None or unit is None else round(float(match[1]) * unit)
    if size <= 0:
        raise UsageError(f"{option} {text}: give a size such as 500MB or 2GB.")
    return size


def parse_seconds(option: str, text: str) -> float:
    """Reads a duration such as `30`, `30s`, `500ms`, `5m` or `1h`.

    Raises:
        UsageError: it is none, or not above 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    unit = "s" if match is None else match[2] or "s"
    if match is None or unit not in _SECONDS or float(match[1]) <= 0:
        raise UsageError(f"{option} {text}: give a duration such as 30s, 500ms, 5m or 1h.")
    return float(match[1]) * _SECONDS[unit]


def parse_arguments(text: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a tool's arguments, `k=v k2=v2`: Python literals, or names looked up in the notebook.

    Raises:
        UsageError: a word is not of that form, or a value is neither literal nor known name.
    """
    arguments: dict[str, Any] = {}
    for name, source in _split_arguments(text):
        if name in arguments:
            raise UsageError(f"the argument {name!r} is given twice.")
        arguments[name] = _value(name, source, namespace)
    return arguments


def _value(name: str, source: str, namespace: Mapping[str, Any]) -> object:
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if source in namespace:
        return namespace[source]
    raise UsageError(
        f"{name}={source}: this is no Python literal, and the notebook has no variable of this "
        f"name. A text is written in quotes: {name}={source!r}."
    )


def _split_arguments(text: str) -> list[tuple[str, str]]:
    """Splits at white space that stands in no quotes or brackets."""
    words: list[str] = []
    word, quote, depth = "", "", 0
    for character in text:
        if quote:
            quote = "" if character == quote and not word.endswith("\\") else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character.isspace() and depth <= 0:
            words.append(word)
            word = ""
            continue
        word += character
    words.append(word)
    return [_name_and_value(word) for word in words if word]


def _name_and_value(word: str) -> tuple[str, str]:
    name, equals, source = word.partition("=")
    if not equals or not name.isidentifier() or not source:
        raise UsageError(f"{word!r} is no argument: write name=value, without spaces around `=`.")
    return name, source


def parse_names(option: str, text: str) -> tuple[str, ...]:
    """Reads names of variables, apart by commas or blanks.

    Raises:
        UsageError: one is no name.
    """
    return tuple(_name(option, name) for name in re.split(r"[,\s]+", text) if name)


def _name(option: str, name: str) -> str:
    if not name.isidentifier():
        raise UsageError(f"{option} {name}: this is no name of a variable.")
    return name
