"""`%snakepit auto on`: each cell runs in a worker, as if it began with `%%snakepit_exec`."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache, partial
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.errors import PoolNotFoundError, UsageError

from .cell_options import CELL, parse_cell_options
from .expressions import values_of_expressions
from .local_cells import input_transforms

_IS_OF_THE_KERNEL = re.compile(
    r"""^[ \t]*
    (?: (?: [^=\n]+ =[ \t]* )? [?]{0,2} %{1,2} snakepit(?:_exec)?\b
      | %(?:re|un)?load_ext [ \t]+ snakepit_nb\b
      | %config [ \t]+ SnakepitMagics\b
      | %(?:connect_info|qtconsole|subshell)\b
    )""",
    re.MULTILINE | re.VERBOSE,
)


def is_of_the_kernel(code: str) -> bool:
    """Tells whether a cell has a line of ours, or one about the kernel, and so runs there."""
    return _IS_OF_THE_KERNEL.search(code) is not None


@cache
def auto(shell: InteractiveShell) -> "Auto":
    """Returns the one of a shell."""
    return Auto(shell)


class Auto:
    """Sends the cells that the front end asks for to a worker, while it is on.

    What a cell of the kernel runs itself, as `%%time` and `get_ipython().run_cell` do, stays there.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._words: Sequence[str] | None = None  # None: it is off
        self._call: ContextVar[str | None] = ContextVar("snakepit_auto", default=None)
        self._undo: list[Callable[[], None]] = []

    def turn_on(self, words: Sequence[str] = ()) -> None:
        """Begins, with these options of `%%snakepit_exec`.

        Raises:
            UsageError: they do not fit, or this shell is no kernel's.
        """
        options = parse_cell_options(words)
        if options.local:
            raise UsageError("auto on --local: cells run in the kernel with %snakepit auto off.")
        if not self._undo:
            raise UsageError("%snakepit auto needs the kernel of a notebook.")
        self._words = words

    def turn_off(self) -> None:
        """Ends it."""
        self._words = None

    @property
    def note(self) -> str:
        """What the user should know of it; empty: it is off."""
        line = self.line_for("")
        return "" if line is None else f"auto is on: each cell runs as if it began with {line}"

    def line_for(self, code: str) -> str | None:
        """Returns the first line as if with which a cell runs; None: it runs as it is."""
        if self._words is None or is_of_the_kernel(code):
            return None
        return shlex.join((CELL, *self._words))

    def __call__(self, lines: list[str]) -> list[str]:
        """Puts a call of the magic in place of the cell that was asked for, as its line would."""
        call = self._call.get()
        return lines if call is None else [call]

    def values_of(
        self, expressions: Mapping[str, str], *, timeout: float | None = None
    ) -> Mapping[str, Any]:
        """Evaluates expressions where cells run while it is on, as the kernel does behind one."""
        options = replace(parse_cell_options(self._words or ()), timeout=timeout)
        return values_of_expressions(self._shell, options, expressions)

    @contextmanager
    def hinting(self) -> Iterator[None]:
        """Says of a pool that is missing how cells run without, while it is on."""
        try:
            yield
        except PoolNotFoundError as error:
            if self._words is None:
                raise
            hint = "(or let cells run in the kernel: %snakepit auto off)"
            raise PoolNotFoundError(f"{error} {hint}") from None

    def install(self) -> None:
        """Hears from now on what the kernel is asked for, if there is one."""
        kernel: Any = getattr(self._shell, "kernel", None)
        if self._undo or not hasattr(kernel, "do_execute"):
            return
        transforms = input_transforms(self._shell)
        transforms.insert(0, self)
        kernel.do_execute = partial(self._execute, kernel.do_execute)
        self._undo += (
            lambda: transforms.remove(self),
            lambda: vars(kernel).pop("do_execute"),
        )

    def uninstall(self) -> None:
        """Hears it no more."""
        while self._undo:
            self._undo.pop()()

    async def _execute(
        self,
        execute: Callable[..., Any],
        code: str,
        silent: bool,  # noqa: FBT001 (ipykernel's)
        store_history: bool = True,  # noqa: FBT001, FBT002 (as above)
        user_expressions: Mapping[str, str] | None = None,
        *more: Any,
        **options: Any,
    ) -> Any:
        line = self.line_for(code)
        if line is None:
            return await execute(code, silent, store_history, user_expressions, *more, **options)
        with self._calling(line, code):
            reply = await execute(code, silent, store_history, None, *more, **options)
        if user_expressions and reply["status"] == "ok":
            reply["user_expressions"] = self.values_of(user_expressions)
        return reply

    @contextmanager
    def _calling(self, line: str, code: str) -> Iterator[None]:
        name, _, options = line.removeprefix("%%").partition(" ")
        body = f"{code}\n"  # as IPython hands it over
        token = self._call.set(f"get_ipython().run_cell_magic({name!r}, {options!r}, {body!r})\n")
        try:
            yield
        finally:
            self._call.reset(token)
