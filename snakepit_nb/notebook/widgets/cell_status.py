"""One quiet line on the page of a cell that runs for more than a second in a worker.

It is drawn beside the cell's outputs, not among them: the cell shows what it would show in the
kernel, and nothing of the line is saved. Its Cancel works while the kernel waits for the cell.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from snakepit_nb.blocking.portal import portal
from snakepit_nb.blocking.printing import is_noninteractive

SECONDS_BEFORE = 1.0
SECONDS_BETWEEN_LOOKS = 0.5

log = logging.getLogger(__name__)


@contextmanager
def cell_status(
    kernel: Any,
    request: Mapping[str, Any],
    words: Callable[[], list[str]],
    cancel: Callable[[], None],
) -> Iterator[None]:
    """Shows the line on the page that has sent the request, while the `with` lasts.

    `words` tells, in any thread, what stands in it; `cancel` is called in another thread.
    """
    cell_id = request.get("metadata", {}).get("cellId")
    if kernel is None or not cell_id or is_noninteractive():
        yield  # nobody looks
        return
    line = _Line(kernel, str(cell_id), words, cancel)
    portal().call_later(SECONDS_BEFORE, line.appear)
    try:
        yield
    finally:
        line.is_over.set()


class _Line:
    def __init__(
        self,
        kernel: Any,
        cell_id: str,
        words: Callable[[], list[str]],
        cancel: Callable[[], None],
    ) -> None:
        self.is_over = threading.Event()
        self._kernel = kernel
        self._cell_id = cell_id
        self._words = words
        self._cancel = cancel
        self._begun = time.monotonic()

    def appear(self) -> None:
        """Shows the line until the cell is over, on a thread of its own."""
        if not self.is_over.is_set():
            threading.Thread(target=self._live, name="snakepit cell status", daemon=True).start()

    def _live(self) -> None:
        try:
            self._show()
        except Exception:
            log.debug("a cell's status was not shown", exc_info=True)

    def _show(self) -> None:
        from .cell_line import CellLine  # noqa: PLC0415 (brings anywidget, while the cell runs)
        from .page_model import on_pages  # noqa: PLC0415 (as that)

        seconds = time.monotonic() - self._begun
        line = CellLine(cell_id=self._cell_id, words=self._words(), seconds=seconds)
        with on_pages(line, self._kernel, self._hear) as is_reachable:
            line.can_cancel = is_reachable
            while not self.is_over.wait(SECONDS_BETWEEN_LOOKS):
                line.words = self._words()

    def _hear(self, content: Mapping[str, Any]) -> None:
        if content.get("cancel") and not self.is_over.is_set():
            self._cancel()
