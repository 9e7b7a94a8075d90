"""What code of cells shows, on its way out, and the error that ends a cell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from snakepit_nb.calls import CellError, CellEvent, StreamText

from .shell import PutEvent, ZMQInteractiveShell


class Audience:
    """Who sees what the code of one cell shows, also when the cell has ended."""

    def __init__(self, put: PutEvent) -> None:
        self._put = put
        self.last_error: CellError | None = None
        """Where it is not put out yet: it may be the cell's own, which the reply carries."""
        self.shown_error: CellError | None = None
        """The last one that was put out."""
        self.has_ended = False

    def show(self, event: CellEvent) -> bool:
        """Shows one thing; tells whether there is where to."""
        self.flush_error()
        if isinstance(event, CellError) and not self.has_ended:
            self.last_error = event
            return True
        return self._put(event)

    def end(self) -> None:
        """Notes that the cell has ended, and its reply carries the last error."""
        self.last_error, self.has_ended = None, True

    def flush_error(self) -> None:
        """Shows the last error: it was not the cell's end."""
        error, self.last_error = self.last_error, None
        if error is not None:
            self._put(error)
            self.shown_error = error


_audience: ContextVar[Audience | None] = ContextVar("snakepit_audience", default=None)


class Showing:
    """Takes text and events for one cell after the other; `drain` lets go what stands before.

    Tasks that a cell leaves show what they show in that cell. Code of which Python does not know
    where it comes from, as threads, shows it in the latest one.
    """

    def __init__(self, drain: Callable[[], None]) -> None:
        self._drain = drain
        self._latest: Audience | None = None
        self.takes_questions = False
        """Whether somebody answers what the running code asks."""

    def begin(self, put: PutEvent) -> None:
        """Gives what comes to a cell."""
        self._latest = Audience(put)
        _audience.set(self._latest)
        self.takes_questions = True

    @contextmanager
    def aside(self, put: PutEvent) -> Iterator[None]:
        """Gives what comes to code that is called back, also amid a cell."""
        before, questions = self._latest, self.takes_questions
        self._latest = called_back = Audience(put)
        token = _audience.set(called_back)
        self.takes_questions = False
        try:
            yield
        finally:
            self._drain()
            called_back.flush_error()
            called_back.end()
            _audience.reset(token)
            self._latest, self.takes_questions = before, questions

    def end(self) -> None:
        """Ends the cell: nobody may ask any more, but what it has left still shows."""
        if self._latest is not None:
            self._latest.end()
        self.takes_questions = False

    def part(self) -> None:
        """Gives what comes from nowhere to no cell any more."""
        self._latest = None

    def text(self, name: str, text: str) -> bool:
        """Shows text that Python code writes to `stdout` or `stderr`."""
        audience = _audience.get() or self._latest
        return audience is not None and audience.show(StreamText(name=name, text=text))

    def foreign_text(self, name: str, text: str) -> bool:
        """Shows text that C code and subprocesses wrote."""
        return self._latest is not None and self._latest.show(StreamText(name=name, text=text))

    def event(self, event: CellEvent) -> bool:
        """Shows anything else; tells whether there is where to."""
        self._drain()
        audience = _audience.get() or self._latest
        return audience is not None and audience.show(event)

    def error_of(
        self, shell: ZMQInteractiveShell, failure: BaseException | None
    ) -> CellError | None:
        """Returns the error that ends the cell; without a traceback where all of it is shown."""
        audience = self._latest
        assert audience is not None  # noqa: S101 (the cell's)
        last = audience.last_error
        if failure is not None and last is not None and (last.traceback or last.is_usage):
            return last
        audience.flush_error()
        if failure is not None:
            return CellError(name=type(failure).__name__, value=_text(failure), traceback=())
        shown = audience.shown_error
        if shown is not None and shell.failed_to_display:
            return CellError(name=shown.name, value=shown.value, traceback=())
        return None


def _text(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 (user code)
        return ""
