"""How events of a worker come to be: of the tools that it runs, and of user code."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from snakepit_nb.errors import UsageError
from snakepit_nb.telemetry.event_stream import EventStream

LONGEST_NAME = 128
LONGEST_BITS = 1000  # what still is a float

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


class executing:  # noqa: N801 (used as a function; a generator would cost each call more)
    """Tells the begin and the end of a tool's execution: the `with` is that."""

    __slots__ = ("_begun", "_metadata", "_stream")

    def __init__(self, stream: EventStream, tool: str, session_id: str | None) -> None:
        self._stream = stream
        self._metadata = {"tool": tool, "session_id": session_id or ""}

    def __enter__(self) -> None:
        self._stream.emit("tool.execution.start", {"system_time": time.time_ns()}, self._metadata)
        self._begun = time.perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        taken = {"duration": time.perf_counter_ns() - self._begun}  # the seed's, nanoseconds
        if kind is None:
            self._stream.emit("tool.execution.stop", taken, self._metadata)
        else:
            metadata = {**self._metadata, "error_type": kind.__name__}
            self._stream.emit("tool.execution.exception", taken, metadata)


process_events = EventStream()
"""What this process tells, where it is a worker."""

_here: ContextVar[EventStream] = ContextVar("snakepit_events", default=process_events)


@contextmanager
def telling_to(stream: EventStream) -> Iterator[None]:
    """Makes the code within the `with` tell its events there: to a worker within this process."""
    token = _here.set(stream)
    try:
        yield
    finally:
        _here.reset(token)


def emit_event(
    name: str,
    measurements: Mapping[str, float] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Tells the kernel that something happened, from any thread of a worker; never waits.

    Handlers get it by `snakepit.on("worker.<name>", handler)`, with the running call's
    correlation id. What nobody listens to is dropped in the end.

    Args:
        name: Small letters, digits and `_`, in parts joined by dots: `model.epoch.ended`.
        measurements: Numbers, by name.
        metadata: Texts, by name.

    Raises:
        UsageError: one of these is not so.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise UsageError(
            f"event {name[:LONGEST_NAME]!r}: a name is small letters, digits and _, in parts "
            "joined by dots, such as model.epoch.ended."
        )
    for key, value in (measurements or {}).items():
        if not _is_number(value):
            raise UsageError(f"event {name!r}, measurement {key!r}: give a number.")
    for key, text in (metadata or {}).items():
        if not isinstance(text, str):
            raise UsageError(f"event {name!r}, metadata {key!r}: give a text.")
    _here.get().emit(name, dict(measurements or {}), dict(metadata or {}))


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() <= LONGEST_BITS
    return isinstance(value, float)
