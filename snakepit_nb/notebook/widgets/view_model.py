"""What a stream looks like at one moment. No clock, no widget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from snakepit_nb.calls import CallPlace

RUNNING = "running"
QUEUED = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a value is shown: as a line, and (`block`) as HTML where a line does not tell it."""

    text: str
    block: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The last value of a field, and how its numbers went. The key of what has none is empty."""

    key: str
    look: Look
    samples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One of the last chunks: its number, and a short text for each of its fields."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of log. The tone is a piece of CSS."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """A stream at one moment. Times are in seconds, `fraction` is from 0 to 1 where known."""

    tool_name: str
    correlation_id: str
    chunks: int = 0
    fraction: float | None = None
    fields: tuple[Field, ...] = ()
    rows: tuple[Row, ...] = ()
    log_lines: tuple[LogLine, ...] = field(default=())
    place: str = ""
    """Where the call is, in words."""
    elapsed: float = 0.0
    running: float = 0.0
    """How long it has been on a worker."""
    outcome: str = RUNNING
    """`queued`, `running`, `done`, `cancelled`, or `failed: ` and why."""

    @property
    def seconds_left(self) -> float | None:
        """How long it goes on if it goes on as it went; None where nobody can tell."""
        if self.outcome != RUNNING or not self.fraction or self.fraction >= 1:
            return None
        return self.running * (1 - self.fraction) / self.fraction


def place_words(worker_id: str | None, ahead: int) -> str:
    """Says where a call is."""
    if worker_id is not None:
        return f"on worker {worker_id}"
    if not ahead:
        return "next in the queue"
    return f"queued behind {ahead:,} {'call' if ahead == 1 else 'calls'}"


def cell_words(places: Sequence[CallPlace | None], session: str) -> list[str]:
    """Says where a cell runs, and in which session, where it has one of its own."""
    running = [place for place in places if place is not None]
    if len(running) == 1:
        where = place_words(running[0].worker_id, running[0].ahead)
    else:
        where = f"on {len(running)} workers" if running else ""
    return [words for words in (where, session and f"session {session}") if words]
