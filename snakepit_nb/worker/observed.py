"""What a worker has seen of its calls, on its way home: bounded, and nobody waits for room."""

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import anyio

from snakepit_nb.observations import LogEntry, Observation, SpanRecord, WorkerTrace

from .context import is_in_tool

BATCH_SECONDS = 0.1
"""How long what is seen waits for more; an observation each would cost more than a call."""
MOST_KEPT = 5_000
MOST_SENT = 1_000
"""In one observation, whose message must not get too large."""

T = TypeVar("T")


class Observed:
    """Takes times and log lines from any thread; the serving thread's loop takes them out."""

    def __init__(self) -> None:
        self._traces: deque[WorkerTrace] = deque(maxlen=MOST_KEPT)
        self._spans: deque[SpanRecord] = deque(maxlen=MOST_KEPT)
        self._logs: deque[LogEntry] = deque(maxlen=MOST_KEPT)
        self._dropped = 0
        self.is_read = False
        """Whether somebody has come for it."""
        self._closed = anyio.Event()
        self._filled: anyio.Event | None = None  # there is one while somebody waits for it
        self._call_serving: Callable[[Callable[[], object]], object] | None = None

    def attach(self, call_serving: Callable[[Callable[[], object]], object]) -> None:
        """Tells how to call back on the serving thread's loop, before the first `filled`."""
        self._call_serving = call_serving

    def add_trace(self, trace: WorkerTrace) -> None:
        """Takes a call's times; the oldest makes room."""
        self._add(self._traces, trace)

    def add_span(self, span: SpanRecord) -> None:
        """Takes a span that the user's code has made; the oldest makes room."""
        self._add(self._spans, span)

    def add_log(self, entry: LogEntry) -> None:
        """Takes a line of log; the oldest makes room."""
        self._add(self._logs, entry)

    def close(self) -> None:
        """Lets who reads take what is there and then end; on the serving thread's loop."""
        self._closed.set()
        if self._filled is not None:
            self._filled.set()

    async def filled(self) -> bool:
        """Returns when there is something to take, a moment after it came; False: and no more."""
        filled = self._filled = anyio.Event()  # before the look: what comes behind it sets it
        if not self._traces and not self._spans and not self._logs and not self._closed.is_set():
            await filled.wait()
        self._filled = None
        with anyio.move_on_after(BATCH_SECONDS):
            await self._closed.wait()
        return not self._closed.is_set()

    def take(self, load: int) -> Observation:
        """Returns what there is, the oldest first, beside how many calls the worker holds."""
        dropped, self._dropped = self._dropped, 0
        return Observation(
            load=load,
            traces=_taken(self._traces),
            spans=_taken(self._spans),
            logs=_taken(self._logs),
            dropped=dropped,
        )

    def _add(self, kept: "deque[T]", seen: T) -> None:
        self._dropped += len(kept) == MOST_KEPT
        kept.append(seen)
        filled = self._filled
        if filled is not None and self._call_serving is not None:
            self._filled = None
            self._call_serving(filled.set)


def _taken(kept: "deque[T]") -> tuple[T, ...]:
    return tuple(kept.popleft() for _ in range(min(len(kept), MOST_SENT)))


class LastResort(logging.Handler):
    """Stands for `logging.lastResort`, which writes to stderr what nobody has configured otherwise.

    A cell shows that, as in the kernel. What comes home as a line of log must not come twice.
    """

    def __init__(self, observed: Observed, before: logging.Handler) -> None:
        super().__init__(before.level)
        self._observed = observed
        self._before = before

    def emit(self, record: logging.LogRecord) -> None:
        """Writes it where it would be lost or missed."""
        if not (is_in_tool() and self._observed.is_read):
            self._before.handle(record)
