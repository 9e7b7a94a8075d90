"""The last lines of what a process writes, in a bounded space."""

from collections import deque

LINES_KEPT = 200
LONGEST_LINE = 4096


class OutputTail:
    """Takes bytes as they come and keeps the last lines of them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._open_line = b""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        *whole, open_line = (self._open_line + data).split(b"\n")
        self._lines.extend(map(_decoded, whole))
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
