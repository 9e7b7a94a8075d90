"""The outputs of a cell that several workers run: labelled by worker, and in a useful order."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import zip_longest

from snakepit_nb.calls import (
    CellError,
    CellEvent,
    ClearOutput,
    Display,
    ExecuteResult,
    StreamText,
)

_LINES = re.compile(r"[^\r\n]*(?:\r?\n|\r)|[^\r\n]+")

Emit = Callable[[CellEvent], None]


class Grouping(StrEnum):
    """In which order the outputs of several workers are shown."""

    NONE = "none"
    """As they come."""
    WORKER = "worker"
    """Worker by worker; the first one's as they come."""
    TYPE = "type"
    """All text, then all that went to stderr, then displays, values and errors; at the end."""
    ORDER = "order"
    """The first output of each worker, then the second ones; at the end."""


class Grouped:
    """Takes what the calls of a cell show and emits it in order. Without names nothing changes."""

    def __init__(self, names: Sequence[str], grouping: Grouping, emit: Emit) -> None:
        self._grouping = grouping if names else Grouping.NONE
        self._label = _Labelling(names, emit).emit if names else lambda _, event: emit(event)
        self._held: list[list[CellEvent]] = [[] for _ in names]
        self._ended: set[int] = set()
        self._live = 0
        """The call whose output is shown as it comes, where that goes by worker."""

    def show(self, number: int, event: CellEvent | None) -> None:
        """Takes what the call of this number shows; None: it has ended."""
        if event is None:
            self._ended.add(number)
            self._follow()
        elif self._grouping is Grouping.NONE or self._is_live(number):
            self._label(number, event)
        elif isinstance(event, ClearOutput):
            self._held[number].clear()
        else:
            self._held[number].append(event)

    def finish(self) -> None:
        """Emits what was held, once all calls have ended."""
        for number, event in self._ordered():
            self._label(number, event)
        self._held = [[] for _ in self._held]

    def _is_live(self, number: int) -> bool:
        return self._grouping is Grouping.WORKER and number == self._live

    def _follow(self) -> None:
        """Goes on to the next worker when one has ended; emits what that has shown by then."""
        if self._grouping is not Grouping.WORKER:
            return
        while self._live in self._ended and self._live + 1 < len(self._held):
            self._live += 1
            held, self._held[self._live] = self._held[self._live], []
            for event in held:
                self._label(self._live, event)

    def _ordered(self) -> list[tuple[int, CellEvent]]:
        outputs = [_joined(held) for held in self._held]
        if self._grouping is Grouping.ORDER:
            return [
                (number, event)
                for row in zip_longest(*outputs)
                for number, event in enumerate(row)
                if event is not None
            ]
        flat = [(number, event) for number, held in enumerate(outputs) for event in held]
        return sorted(flat, key=lambda pair: _rank(pair[1]))


class _Labelling:
    """Puts `[w0] ` before each line of text, and on a line of its own before anything else."""

    def __init__(self, names: Sequence[str], emit: Emit) -> None:
        self._names = names
        self._emit = emit
        self._open: tuple[int, str] | None = None
        """Whose line, on which stream, has not ended."""
        self._is_labelled = False
        """Whether that line, which a carriage return may have begun anew, has its label."""

    def emit(self, number: int, event: CellEvent) -> None:
        match event:
            case StreamText():
                self._text(number, event)
            case ClearOutput():
                pass  # it would take away what the others have shown
            case Display(update=True):
                self._emit(event)
            case ExecuteResult():
                self._other(number, Display(data=event.data, metadata=event.metadata))
            case _:
                self._other(number, event)

    def _text(self, number: int, event: StreamText) -> None:
        if self._open != (number, event.name):
            self._end_line()
        label = f"[{self._names[number]}] "
        is_labelled = self._open is not None and self._is_labelled
        text = ""
        for line in _LINES.findall(event.text):
            text += line if is_labelled else label + line
            is_labelled = not line.endswith(("\n", "\r"))
        if text:
            self._open = None if text.endswith("\n") else (number, event.name)
            self._is_labelled = is_labelled
            self._emit(replace(event, text=text))

    def _other(self, number: int, event: CellEvent) -> None:
        self._end_line()
        self._emit(StreamText(name="stdout", text=f"[{self._names[number]}]\n"))
        self._emit(event)

    def _end_line(self) -> None:
        if self._open is not None:
            self._emit(StreamText(name=self._open[1], text="\n"))
            self._open = None


def _joined(events: list[CellEvent]) -> list[CellEvent]:
    """Joins text with the text of the same stream that follows it."""
    joined: list[CellEvent] = []
    for event in events:
        match (joined[-1] if joined else None), event:
            case StreamText() as last, StreamText() if last.name == event.name:
                joined[-1] = replace(last, text=last.text + event.text)
            case _:
                joined.append(event)
    return joined


def _rank(event: CellEvent) -> int:
    if isinstance(event, StreamText):
        return 0 if event.name == "stdout" else 1
    return _RANKS.get(type(event), 0)


_RANKS: dict[type, int] = {Display: 2, ExecuteResult: 3, CellError: 4}
