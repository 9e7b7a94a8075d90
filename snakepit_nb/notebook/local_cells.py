"""`%%snakepit_exec --local`: the cell runs in the kernel, as if its first line were not there."""

from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.errors import UsageError

from .cell_options import CELL, parse_cell_options, split_words, wants_help
from .display import fail_without_a_word

Transform = Callable[[list[str]], list[str]]


class LocalCells:
    """Takes the first line away before IPython reads the cell, so that it may also `await`."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace

    def __call__(self, lines: list[str]) -> list[str]:
        """Puts an empty line in place of one that says `--local`, so that line numbers stay."""
        words = lines[0].split() if lines else []
        if words[:1] != [CELL] or "--local" not in words or wants_help(words):
            return lines
        try:
            options = parse_cell_options(
                split_words(lines[0].strip().removeprefix(CELL), self._namespace)
            )
        except UsageError:
            return lines  # the magic itself will complain
        return ["\n", *lines[1:]] if options.local else lines

    def register(self, shell: InteractiveShell) -> None:
        """Begins to do so."""
        transforms = input_transforms(shell)
        names = [getattr(transform, "__name__", "") for transform in transforms]
        place = names.index("cell_magic") if "cell_magic" in names else len(names)
        transforms.insert(place, self)

    @staticmethod
    def unregister(shell: InteractiveShell) -> None:
        """Does so no more."""
        transforms = input_transforms(shell)
        transforms[:] = [found for found in transforms if not isinstance(found, LocalCells)]


def run_local_cell(shell: InteractiveShell, code: str) -> None:
    """Runs a cell here that comes by way of the magic all the same, called by other code."""
    result = shell.run_cell(code, store_history=False)  # type: ignore[no-untyped-call]
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        fail_without_a_word(shell, error)
        raise error


def input_transforms(shell: InteractiveShell) -> list[Transform]:
    """Returns what IPython does with a cell's lines first, in order; for changing."""
    transforms: list[Transform] = shell.input_transformer_manager.cleanup_transforms
    return transforms
