"""Shows a stream while the cell that reads it runs, and leaves static HTML behind.

Above: the magic that iterates. Below: the live panel, loaded only where someone looks. Elsewhere
(SNAKEPIT_NONINTERACTIVE=1, or no Jupyter kernel) plain lines are printed instead.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Protocol

from snakepit_nb.calls import ToolChunk
from snakepit_nb.errors import CallCancelledError, SnakepitError, ToolError, UsageError

from .view_model import (
    CANCELLED,
    DONE,
    StreamState,
    advanced,
    as_summary,
    as_text_line,
    ended,
)


class StreamView(Protocol):
    """What shows one stream."""

    def show(self, chunk: ToolChunk) -> None:
        """Shows one more chunk."""

    def end(self, outcome: str) -> None:
        """Shows how it ended: `done`, `cancelled` or `failed: ...`. The first end counts."""

    def withdraw(self) -> None:
        """Leaves nothing behind, where the call itself was wrong and nothing ran."""


@contextmanager
def open_stream_view(
    *, tool_name: str, correlation_id: str, cancel: Callable[[], None]
) -> Iterator[StreamView]:
    """Shows a stream for as long as the `with` lasts. Leaving it without `end` ends it fittingly.

    `cancel` is called in another thread, at most once, when the Cancel button is pressed.
    """
    view = _view_of(StreamState(tool_name=tool_name, correlation_id=correlation_id), cancel)
    try:
        yield view
    except UsageError:
        view.withdraw()
        raise
    except BaseException as error:
        view.end(_outcome_of(error))
        raise
    view.end(DONE)


def _view_of(state: StreamState, cancel: Callable[[], None]) -> StreamView:
    kernel = _kernel_with_a_front_end()
    if kernel is None:
        return _PrintedLines(state)
    from .stream_panel import StreamPanel  # noqa: PLC0415 (brings ipywidgets)

    return StreamPanel(state, kernel, cancel)


def _kernel_with_a_front_end() -> Any | None:
    if os.environ.get("SNAKEPIT_NONINTERACTIVE", "0") not in {"", "0"}:
        return None
    if "IPython" not in sys.modules:  # a plain script, which shall not load it for this
        return None
    from IPython import get_ipython  # noqa: PLC0415 (loaded already, or not wanted)

    return getattr(get_ipython(), "kernel", None)


def _outcome_of(error: BaseException) -> str:
    match error:
        case KeyboardInterrupt() | CallCancelledError() | CancelledError():
            return CANCELLED
        case ToolError():
            return f"failed: {error.remote_type}: {error.message}"
        case SnakepitError():  # its text ends with an id, which printed lines must not have
            return f"failed: {error.message}"
        case _:
            return f"failed: {type(error).__name__}: {error}"


class _PrintedLines:
    """Lines on stdout that are the same in every run: no times, rates or ids."""

    def __init__(self, state: StreamState) -> None:
        self._state = state
        self._has_ended = False

    def show(self, chunk: ToolChunk) -> None:
        self._state = advanced(self._state, chunk, 0.0)
        if not chunk.is_final:
            sys.stdout.write(f"{as_text_line(chunk)}\n")

    def end(self, outcome: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            sys.stdout.write(f"{as_summary(ended(self._state, outcome, 0.0))}\n")

    def withdraw(self) -> None:
        self._has_ended = True
