"""All that a process writes to stdout and stderr, from Python, C code and subprocesses, in order.

Descriptors 1 and 2 become pipes. Whoever holds the lock reads them: before Python code writes, and
before anything is displayed, `drain` takes in what C code and subprocesses have written by then. So
the order is exact, with no sentinel and no waiting.
"""

import codecs
import ctypes
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from snakepit_nb.worker.undebugged import UndebuggedThread

READ_SIZE = 1024 * 1024  # a pipe never holds more
_UNBUFFERED = 2  # C's _IONBF


class Sink(Protocol):
    """Takes text of `stdout` or `stderr`, and tells whether it has taken it."""

    def text(self, name: str, text: str) -> bool:
        """Takes what Python code writes, where that runs."""

    def foreign_text(self, name: str, text: str) -> bool:
        """Takes what C code and subprocesses wrote."""


class OutputCapture:
    """Captures the process's output from `install` on and hands it to `sink`, or to the log."""

    def __init__(self, uninterrupted: Callable[[], AbstractContextManager[None]]) -> None:
        self._uninterrupted = uninterrupted
        self._lock = threading.RLock()
        self._poll = select.poll()
        self._names: dict[int, str] = {}
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._log_descriptor = 2
        self.sink: Sink | None = None
        """Where output goes first; what it does not take goes to the log."""

    def install(self) -> None:
        """Takes the process's stdout and stderr over, for good."""
        self._log_descriptor = os.dup(2)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            os.dup2(writing, descriptor)
            os.close(writing)
            self._names[reading] = name
            self._decoders[reading] = codecs.getincrementaldecoder("utf-8")("replace")
            self._poll.register(reading, select.POLLIN)
        _unbuffer_c_stdout()
        sys.stdout = CapturedStream(self, "stdout", 1)
        sys.stderr = CapturedStream(self, "stderr", 2)
        UndebuggedThread(self._pump, "output-pump").start()

    def write(self, name: str, text: str) -> None:
        """Puts text out behind all that was written before."""
        with self._uninterrupted(), self._lock:
            self._read_pipes()
            if self.sink is None or not self.sink.text(name, text):
                self._log(text)

    def drain(self) -> None:
        """Puts out what C code and subprocesses have written by now."""
        with self._uninterrupted(), self._lock:
            self._read_pipes()

    def _pump(self) -> None:
        """Wakes when something was written and nobody drains."""
        waiting = select.poll()  # of its own: one may not be used by two threads at once
        for descriptor in self._names:
            waiting.register(descriptor, select.POLLIN)
        while True:
            waiting.poll()
            self.drain()

    def _read_pipes(self) -> None:
        for descriptor, _ in self._poll.poll(0):
            data = os.read(descriptor, READ_SIZE)
            text = self._decoders[descriptor].decode(data)
            if text and (
                self.sink is None or not self.sink.foreign_text(self._names[descriptor], text)
            ):
                self._log(text)

    def _log(self, text: str) -> None:
        os.write(self._log_descriptor, text.encode("utf-8", "replace"))


class TakesText(Protocol):
    """What stands behind `sys.stdout` and `sys.stderr`."""

    def write(self, name: str, text: str) -> None:
        """Puts text of `stdout` or `stderr` out."""

    def drain(self) -> None:
        """Puts out what C code and subprocesses have written by now."""


class CapturedStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a worker: what is written is on its way at once."""

    encoding = "UTF-8"  # as the kernel's own stream spells it

    def __init__(self, capture: TakesText, name: str, descriptor: int) -> None:
        self._capture = capture
        self._name = name
        self._descriptor = descriptor

    @property
    def name(self) -> str:
        """The stream's name, as tracebacks and logging show it."""
        return f"<{self._name}>"

    def write(self, text: str) -> int:
        """Writes text, in order with what others write."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if text:
            self._capture.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        """Takes in what C code and subprocesses wrote; Python's own text never waits."""
        self._capture.drain()

    def fileno(self) -> int:
        """Returns the real descriptor, for subprocesses and faulthandler."""
        return self._descriptor

    def writable(self) -> bool:
        """Says yes."""
        return True


def _unbuffer_c_stdout() -> None:
    """Lets C code write at once, so that its text does not come after later Python text."""
    library = ctypes.CDLL(None)
    symbol = "__stdoutp" if sys.platform == "darwin" else "stdout"
    stdout = ctypes.c_void_p.in_dll(library, symbol)
    library.setvbuf(stdout, None, _UNBUFFERED, ctypes.c_size_t(0))
