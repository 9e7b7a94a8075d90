"""The last lines of what a process writes, in a bounded space."""

from collections import deque
from collections.abc import Callable

LINES_KEPT = 200
LONGEST_LINE = 4096


class OutputTail:
    """Takes bytes as they come, tells each line, and keeps the last ones."""

    def __init__(self, on_line: Callable[[str], object] = lambda _: None) -> None:
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._open_line = b""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        *whole, open_line = (self._open_line + data).split(b"\n")
        for line in map(_decoded, whole):
            self._lines.append(line)
            self._on_line(line)
        self._open_line = open_line[-LONGEST_LINE:]

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines, the one that is not ended yet among them."""
        if not self._open_line:
            return tuple(self._lines)
        return (*self._lines, _decoded(self._open_line))[-LINES_KEPT:]


def _decoded(line: bytes) -> str:
    # A progress bar redraws its line after each carriage return; what is seen is the last drawing.
    seen = line.rstrip(b"\r").rpartition(b"\r")[2]
    return seen[-LONGEST_LINE:].decode(errors="replace")
