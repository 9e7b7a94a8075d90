"""What a worker has seen of its calls, on its way home: bounded, and nobody waits for room."""

import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import anyio

from snakepit_nb.observations import LogEntry, Observation, SpanRecord, WorkerTrace, shortened
from snakepit_nb.telemetry.redaction import redaction

from .context import is_in_tool

BATCH_SECONDS = 0.1
"""How long what is seen waits for more; an observation each would cost more than a call."""
MOST_KEPT = 5_000
MOST_SENT = 1_000
"""In one observation, whose message must not get too large."""

T = TypeVar("T")


class _Waiter:
    """Who waits for something to take, and whether that was told. Once is enough."""

    __slots__ = ("filled", "is_told")

    def __init__(self) -> None:
        self.filled = anyio.Event()
        self.is_told = False


class Observed:
    """Takes times and log lines from any thread; the serving thread's loop takes them out."""

    def __init__(self) -> None:
        self._traces: deque[WorkerTrace] = deque(maxlen=MOST_KEPT)
        self._spans: deque[SpanRecord] = deque(maxlen=MOST_KEPT)
        self._logs: deque[LogEntry] = deque(maxlen=MOST_KEPT)
        self._dropped = 0
        self.is_read = False
        """Whether somebody has come for it."""
        self._waiter: _Waiter | None = None  # there is one while somebody waits
        self._call_serving: Callable[[Callable[[], object]], object] | None = None
        self._ending = anyio.Event()

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
        self._add(self._logs, shortened(redaction.redacted_entry(entry)))

    def end(self) -> None:
        """Lets what is left be taken without a wait, on the serving thread: the worker ends."""
        self._ending.set()
        if self._waiter is not None:
            self._waiter.filled.set()

    async def filled(self) -> bool:
        """Waits for something to take, and a moment longer for more.

        Returns: False once the worker ends and all is taken.
        """
        waiter = self._waiter = _Waiter()  # before the look: what comes behind it is told to it
        if not self._has_some and not self._ending.is_set():
            await waiter.filled.wait()
        self._waiter = None
        with anyio.move_on_after(BATCH_SECONDS):
            await self._ending.wait()
        return self._has_some or not self._ending.is_set()

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

    @property
    def _has_some(self) -> bool:
        return bool(self._traces or self._spans or self._logs)

    def _add(self, kept: "deque[T]", seen: T) -> None:
        self._dropped += len(kept) == MOST_KEPT
        kept.append(seen)
        waiter = self._waiter
        if waiter is not None and not waiter.is_told and self._call_serving is not None:
            self._call_serving(waiter.filled.set)
            # Behind it: an interrupt between the two lets the next one tell, where the other order
            # would let nobody.
            waiter.is_told = True


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
