"""What a live view sees of a stream beside its chunks: where its call is, and what was logged."""

from snakepit_nb.blocking.stream_view import Shown
from snakepit_nb.telemetry.log_ring import logs

from .chunk_looks import brief, look_of
from .logs_view import log_line
from .stream_record import StreamRecord
from .view_model import QUEUED, RUNNING, Field, LogLine, Look, StreamState, place_words

SHOWN_LOG_LINES = 3
SECONDS_BETWEEN_LOOKS_AT_LOGS = 1.0


class StreamGlance:
    """Looks at one stream, again and again. What costs time is not looked at each time."""

    def __init__(self, shown: Shown, begun: float) -> None:
        self._shown = shown
        self._begun = begun
        self._running_since = begun
        self._place = ""
        self._is_waiting = False
        self._log_lines: tuple[LogLine, ...] = ()
        self._logs_seen_at = begun
        self._looks: dict[int, tuple[object, Look]] = {}

    def state(self, record: StreamRecord, now: float, outcome: str = "") -> StreamState:
        """Returns what there is to be shown now; with an outcome, for the last time."""
        self._see_place(record, now)
        if outcome or now - self._logs_seen_at >= SECONDS_BETWEEN_LOOKS_AT_LOGS:
            self._see_logs(now)
        return StreamState(
            tool_name=self._shown.tool_name,
            correlation_id=self._shown.correlation_id,
            chunks=record.chunks,
            fraction=record.fraction,
            fields=self._fields(record),
            rows=record.rows(brief),
            log_lines=self._log_lines,
            place=self._place,
            elapsed=now - self._begun,
            running=now - self._running_since,
            outcome=outcome or (QUEUED if self._is_waiting else RUNNING),
        )

    def _see_place(self, record: StreamRecord, now: float) -> None:
        place = self._shown.place()
        if place is None:
            return
        self._is_waiting = place.worker_id is None
        if self._is_waiting and not record.chunks:
            self._running_since = now
        self._place = place_words(place.worker_id, place.ahead)

    def _see_logs(self, now: float) -> None:
        self._logs_seen_at = now
        found = logs.find(self._shown.correlation_id, number=SHOWN_LOG_LINES)
        self._log_lines = tuple(log_line(entry) for entry in found)

    def _fields(self, record: StreamRecord) -> tuple[Field, ...]:
        before, self._looks = self._looks, {}

        def look(value: object) -> Look:
            seen = before.get(id(value))
            found = seen[1] if seen is not None and seen[0] is value else look_of(value)
            self._looks[id(value)] = value, found
            return found

        return record.fields(look)
