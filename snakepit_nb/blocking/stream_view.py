"""The seam between a stream and what shows it while somebody reads it.

Above: the notebook's live view, which enters itself in `viewers`. Below: a stream's chunks. Where
nobody can look (a script, a terminal, SNAKEPIT_NONINTERACTIVE=1), plain lines are printed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from snakepit_nb.calls import CallPlace, ToolChunk
from snakepit_nb.errors import CallCancelledError, SnakepitError, ToolError, UsageError

from .printing import is_noninteractive
from .stream_lines import CANCELLED, DONE, as_summary, as_text_line
from .tool_stream import ToolStream

MOST_LINES = 100
"""Where each run must print the same, the chunks after these are counted only."""
SECONDS_BETWEEN_LINES = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The stream that a view shows."""

    tool_name: str
    correlation_id: str
    cancel: Callable[[], None]
    """Called in any thread, at most once, when somebody asks the view to end the stream."""
    place: Callable[[], CallPlace | None] = lambda: None
    """Tells, in any thread, where the call is."""


class StreamView(Protocol):
    """What shows one stream."""

    def show(self, chunk: ToolChunk) -> None:
        """Shows one more chunk."""

    def end(self, outcome: str) -> None:
        """Shows how it ended: `done`, `cancelled` or `failed: ...`. The first end counts."""

    def withdraw(self) -> None:
        """Leaves nothing behind, where the call itself was wrong and nothing ran."""


def _nobody_looks(_: Shown) -> StreamView | None:
    return None


@dataclass(slots=True)
class Viewers:
    """Who shows streams where somebody can look."""

    open: Callable[[Shown], StreamView | None] = _nobody_looks
    """Opens a view; None where nobody can look after all."""


viewers = Viewers()
"""The notebook's extension enters its own."""


def shown_chunks(stream: ToolStream, cancelled: Event) -> Iterator[ToolChunk]:
    """Yields a stream's chunks and shows them; closing it cancels the tool.

    Raises:
        CallCancelledError: its view was asked to end it; `cancelled` is then set.
    """

    def cancel() -> None:
        cancelled.set()
        stream.cancel()

    shown = Shown(
        tool_name=stream.tool_name,
        correlation_id=stream.correlation_id,
        cancel=cancel,
        place=stream.place,
    )
    with open_stream_view(shown) as view:
        try:
            for chunk in stream:
                view.show(chunk)
                yield chunk
        except KeyboardInterrupt:
            if not cancelled.is_set():
                raise
            raise CallCancelledError(
                "The stream was cancelled by its button.", correlation_id=stream.correlation_id
            ) from None


@contextmanager
def open_stream_view(shown: Shown) -> Iterator[StreamView]:
    """Shows a stream while the `with` lasts. Leaving it without `end` ends it fittingly."""
    view = viewers.open(shown) or _PrintedLines(shown.tool_name)
    try:
        yield view
    except UsageError:
        view.withdraw()
        raise
    except BaseException as error:
        view.end(_outcome_of(error))
        raise
    view.end(DONE)


def _outcome_of(error: BaseException) -> str:
    match error:
        case KeyboardInterrupt() | CallCancelledError() | CancelledError() | GeneratorExit():
            return CANCELLED
        case ToolError():
            return f"failed: {error.remote_type}: {error.message}"
        case SnakepitError():  # its text ends with an id, which printed lines must not have
            return f"failed: {error.message}"
        case _:
            return f"failed: {type(error).__name__}: {error}"


class _PrintedLines:
    """Lines on stdout: at most one a second, or the same ones in every run."""

    def __init__(self, tool_name: str) -> None:
        self._tool_name = tool_name
        self._chunks = 0
        self._is_due = _among_the_first if is_noninteractive() else _Pace()
        self._has_ended = False

    def show(self, chunk: ToolChunk) -> None:
        if chunk.is_final:
            return
        self._chunks += 1
        if self._is_due(self._chunks):
            sys.stdout.write(f"{as_text_line(chunk)}\n")

    def end(self, outcome: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            summary = as_summary(self._tool_name, self._chunks, " ".join(outcome.split()))
            sys.stdout.write(f"{summary}\n")

    def withdraw(self) -> None:
        self._has_ended = True


def _among_the_first(number: int) -> bool:
    return number <= MOST_LINES


class _Pace:
    """Lets through what comes a second after the last that it has let through."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, _: int) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + SECONDS_BETWEEN_LINES
        return True
