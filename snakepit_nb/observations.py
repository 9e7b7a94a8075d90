"""What is seen of calls while they run: spans of time and lines of log, in kernel and workers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

Attribute = str | bool | int | float


class Part(StrEnum):
    """Which part of a call's way a span of ours covers."""

    CELL = "cell"
    """The notebook cell that made calls; in the kernel."""
    CALL = "call"
    """One call, from its submission to its end; in the kernel."""
    QUEUE = "queue"
    """Its wait for a worker; in the kernel."""
    RPC = "rpc"
    """Its way to the worker and back, and what lies between; in the kernel."""
    WORKER = "worker"
    """All that the worker did for it."""
    TOOL = "tool"
    """The user's code, a tool's or a cell's; in the worker."""


DEFAULT_POOL = "default"

LONGEST_TEXT = 10_000
"""Of a message or a traceback, so many characters are kept."""

PART_KEY = "snakepit.part"
CORRELATION_ATTRIBUTE = "snakepit.correlation_id"
LOST_ATTRIBUTE = "snakepit.worker_lost"
"""On the way to a worker that was gone, or on a call that one was given up for: it tells nothing of
the call any more."""


def worker_name(pool: str, worker_id: str) -> str:
    """Names a worker where those of several pools are shown together: `w0`, or `pool/w0`."""
    return worker_id if pool == DEFAULT_POOL else f"{pool}/{worker_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """A moment within a span, such as an exception."""

    name: str
    at: int
    """Nanoseconds since 1970."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """One span that has ended, in OpenTelemetry's sense. Times are nanoseconds since 1970."""

    trace_id: int
    span_id: int
    parent_id: int = 0
    """0: it is a root."""
    name: str
    kind: str = "internal"
    """`internal`, `client` or `server`."""
    begun: int
    ended: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    """Trace id and span id of each span that led to this one without being its parent."""
    is_error: bool = False
    error: str = ""
    """What went wrong, in a line."""
    worker_id: str = ""
    """Where it was, as `worker_name` tells it; empty for the kernel."""

    @property
    def part(self) -> Part | None:
        """Which part of a call's way it covers; None for a span that user code has made."""
        part = self.attributes.get(PART_KEY)
        return Part(part) if part in list(Part) else None

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.ended - self.begun) / 1e9


@dataclass(slots=True, kw_only=True)
class WorkerTrace:
    """What a worker keeps of a call, to make its spans of once somebody wants to see them.

    These are: all that the worker did, and the user's code in that. Times are nanoseconds since
    1970, 0 where it did not get there.
    """

    trace_id: int
    answers: int
    """The span on the way here, in the kernel."""
    span_id: int
    code_id: int
    correlation_id: str
    what: str
    begun: int
    code_begun: int = 0
    code_ended: int = 0
    ended: int = 0
    error: str = ""
    code_error: str = ""
    worker: str = ""
    awaits: int = 0
    is_root: bool = False
    is_frame: bool = False

    def records(self) -> Iterator[SpanRecord]:
        """Makes the spans."""
        yield SpanRecord(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=self.answers,
            name="worker",
            kind="server",
            begun=self.begun,
            ended=self.ended,
            attributes={
                PART_KEY: Part.WORKER.value,
                CORRELATION_ATTRIBUTE: self.correlation_id,
            },
            is_error=bool(self.error),
            error=self.error,
            worker_id=self.worker,
        )
        if self.code_begun:
            yield SpanRecord(
                trace_id=self.trace_id,
                span_id=self.code_id,
                parent_id=self.span_id,
                name=self.what,
                begun=self.code_begun,
                ended=self.code_ended or self.ended,
                attributes={PART_KEY: Part.TOOL.value},
                is_error=bool(self.code_error),
                error=self.code_error,
                worker_id=self.worker,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All spans of one cell, or of the calls of one correlation id, by the time they began."""

    trace_id: int
    correlation_id: str
    spans: tuple[SpanRecord, ...]
    dropped: int = 0
    """How many more there were than are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line of log, or of what a worker wrote to its stderr by itself."""

    at: int
    """Nanoseconds since 1970."""
    level: int
    """As `logging` counts them; stray output has 0."""
    logger: str
    """The logger's name; `stderr` for stray output."""
    message: str
    correlation_id: str = ""
    worker_id: str = ""
    """Where it was written; empty for the kernel."""
    session_id: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a worker tells of itself, a little after it happened."""

    load: int
    """How many calls it holds."""
    traces: tuple[WorkerTrace, ...] = ()
    spans: tuple[SpanRecord, ...] = ()
    """Those that users' code has made by itself."""
    logs: tuple[LogEntry, ...] = ()
    dropped: int = 0
    """How many spans and lines came faster than they could be sent, since the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """What a worker tells, or user code in it, by a dotted name."""

    name: str
    at: int
    """Nanoseconds since 1970."""
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventControl:
    """Which of its events a worker tells. Patterns are globs on their names."""

    enabled: bool = True
    sampling: float = 1.0
    """Which share of them, from 0 to 1."""
    sampled: tuple[str, ...] = ()
    """Those that `sampling` is about; if there are none, all."""
    allow: tuple[str, ...] = ()
    """Those that may be told; if there are none, all."""
    deny: tuple[str, ...] = ()
    """Those that may not, whatever else is said."""


def shortened(entry: LogEntry) -> LogEntry:
    """Cuts a long message's end, but a traceback's begin: how it ends tells most."""
    message, traceback = entry.message, entry.traceback
    if len(message) <= LONGEST_TEXT and len(traceback) <= LONGEST_TEXT:
        return entry
    if len(message) > LONGEST_TEXT:
        message = f"{message[:LONGEST_TEXT]}… (of {len(message):,} characters)"
    if len(traceback) > LONGEST_TEXT:
        traceback = f"(of {len(traceback):,} characters) …{traceback[-LONGEST_TEXT:]}"
    return replace(entry, message=message, traceback=traceback)
