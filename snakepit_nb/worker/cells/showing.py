"""What the running cell shows, on its way out, and the error that ends it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snakepit_nb.calls import CellError, CellEvent, StreamText

from .shell import PutEvent, ZMQInteractiveShell


class Showing:
    """Takes text and events for one cell after the other; `drain` lets go what stands before."""

    def __init__(self, drain: Callable[[], None]) -> None:
        self._drain = drain
        self._put: PutEvent | None = None
        self.takes_questions = False
        """Whether somebody answers what the running code asks."""
        self._error: CellError | None = None  # the last one, where it is not put out yet
        self._shown_error: CellError | None = None  # the last one that was put out

    @property
    def is_on(self) -> bool:
        """Tells whether a cell runs."""
        return self._put is not None

    def begin(self, put: PutEvent) -> None:
        """Gives what comes to a cell."""
        self._put, self._error, self._shown_error = put, None, None
        self.takes_questions = True

    @contextmanager
    def aside(self, put: PutEvent) -> Iterator[None]:
        """Gives what comes to code that is called back, also amid a cell."""
        before = (self._put, self._error, self._shown_error)
        questions = self.takes_questions
        self.begin(put)
        self.takes_questions = False
        try:
            yield
        finally:
            self._drain()
            self._flush_error()
            self._put, self._error, self._shown_error = before
            self.takes_questions = questions

    def end(self) -> None:
        """Drops what comes."""
        self._put = None
        self.takes_questions = False

    def text(self, name: str, text: str) -> None:
        """Shows text of `stdout` or `stderr`."""
        self._put_now(StreamText(name=name, text=text))

    def event(self, event: CellEvent) -> bool:
        """Shows anything else; tells whether there is where to."""
        self._drain()
        if not isinstance(event, CellError):
            return self._put_now(event)
        self._flush_error()
        self._error = event  # the last one may be the cell's own, which the reply carries
        return True

    def error_of(
        self, shell: ZMQInteractiveShell, failure: BaseException | None
    ) -> CellError | None:
        """Returns the error that ends the cell; without a traceback where all of it is shown."""
        last = self._error
        if failure is not None and last is not None and (last.traceback or last.is_usage):
            return last
        self._flush_error()
        if failure is not None:
            return CellError(name=type(failure).__name__, value=_text(failure), traceback=())
        shown = self._shown_error
        if shown is not None and shell.failed_to_display:
            return CellError(name=shown.name, value=shown.value, traceback=())
        return None

    def _put_now(self, event: CellEvent) -> bool:
        self._flush_error()
        put = self._put  # once: the cell may end meanwhile, where a thread of it puts out
        return put is not None and put(event)

    def _flush_error(self) -> None:
        error, self._error = self._error, None
        if error is not None and self._put is not None:
            self._put(error)
            self._shown_error = error


def _text(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 (user code)
        return ""
