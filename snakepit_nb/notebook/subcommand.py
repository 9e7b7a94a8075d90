"""What a subcommand of `%snakepit` is."""

import argparse
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from .auto import Auto
from .cell_options import OptionParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a subcommand may use of the notebook."""

    namespace: MutableMapping[str, Any]
    auto: Auto | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What `status` adds to what the pool says of itself."""
        return (self.auto.note,) if self.auto is not None and self.auto.note else ()


Run = Callable[[argparse.Namespace, Surroundings], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One subcommand. Where `takes_arguments`, `k=v` words follow the parsed ones, unsplit."""

    parser: OptionParser
    run: Run
    takes_arguments: bool = False


def add_pool(parser: OptionParser, *, is_option: bool = False) -> None:
    """Adds the pool that is meant, as `-p POOL`, and but for `is_option` by its bare name too."""
    what = "the pool; the one in use"
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("-p", "--pool", metavar="POOL", help=what)
    if not is_option:
        forms.add_argument("pool", nargs="?", metavar="POOL", default=argparse.SUPPRESS, help=what)
