"""The cases of the corpus, as its files tell them.

A file has cases, each under a line `=== title`. A case has steps, parted by lines `---`, which may
say how the next step runs: `--- typed=["Ada"], store_history=False`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CELLS = Path(__file__).parent / "cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A cell, or something that the front end tells a comm."""

    code: str = ""
    store_history: bool = True
    silent: bool = False
    allow_stdin: bool = True
    typed: tuple[str, ...] | list[str] = ()
    """The answers to what the cell asks."""
    interrupt: str = ""
    """The cell is interrupted once it has shown this."""
    until: str = ""
    """The step lasts until this line has come in a cell of the case, also an earlier one."""
    tell: str = ""
    """The target or the widget model of the comm that is told `data`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    differs: tuple[str, ...] | list[str] = ()
    """What the front end is told otherwise than by a kernel, as `reply.ename`."""
    because: str = ""
    """Why it may."""
    on: str = ""
    """The versions of ipykernel on which it does, if not all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a user does in a notebook, in a few steps."""

    theme: str
    title: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.theme}: {self.title}"


def read_cases() -> Iterator[Case]:
    for path in sorted(CELLS.glob("*.txt")):
        for text in re.split(r"(?m)^=== ", path.read_text())[1:]:
            title, _, body = text.partition("\n")
            yield Case(theme=path.stem, title=title, steps=tuple(_steps(body)))


def _steps(body: str) -> Iterator[Step]:
    how = ""
    begin = 0
    for mark in re.finditer(r"(?m)^---(?: (.*))?\n?", body):
        if mark.start() > 0:
            yield _step(how, body[begin : mark.start()])
        how, begin = mark[1] or "", mark.end()
    yield _step(how, body[begin:])


def _step(how: str, code: str) -> Step:
    call = ast.parse(f"dict({how})", mode="eval").body
    assert isinstance(call, ast.Call)
    options = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
    return Step(code=code.removesuffix("\n"), **options)
