"""What may follow on a line of the magics: subcommands, options, and what they name."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .cell_options import OptionParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The names that there are now."""

    pools: Sequence[str] = ()
    sessions: Sequence[str] = ()
    workers: Sequence[str] = ()
    variables: Sequence[str] = ()
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Their parameters, by the tool's name."""

    def named_by(self, metavar: str) -> Sequence[str]:
        """Returns what an option's or argument's placeholder stands for."""
        return {
            "POOL": self.pools,
            "WORKER": self.workers,
            "ID|WORKER": self.workers,
            "TOOL": tuple(self.tools),
            "NAME": self.sessions,
            "A,B": self.variables,
            "NAMES": self.variables,
            "SPEC": ("all", "any", *self.workers),
        }.get(metavar, ())


def complete_subcommand(
    words: Sequence[str], start: str, parsers: Mapping[str, OptionParser], known: Known
) -> list[str]:
    """Completes a `%snakepit` line: `words` stand before the one that begins with `start`."""
    if not words:
        return _beginning(start, parsers)
    parser = parsers.get(words[0])
    if parser is None:
        return []
    placed = [word for word in words[1:] if not word.startswith("-")]
    tool = next((word for word in placed if word in known.tools), None)
    if tool is not None and not start.startswith("-"):
        return _beginning(start, (f"{name}=" for name in known.tools[tool]))
    return complete_options(words[1:], start, parser, known)


def complete_options(
    words: Sequence[str], start: str, parser: OptionParser, known: Known
) -> list[str]:
    """Completes an option, its value, or an argument."""
    options = parser.option_actions
    if start.startswith("-"):
        return _beginning(start, (name for name in options if name.startswith("--")))
    awaited = options.get(words[-1]) if words else None
    if awaited is not None and awaited.nargs != 0:
        return _beginning(start, _values(awaited, known))
    return _beginning(start, [word for each in parser.arguments for word in _values(each, known)])


def _values(action: argparse.Action, known: Known) -> Sequence[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    return known.named_by(str(action.metavar))


def _beginning(start: str, words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(start))
