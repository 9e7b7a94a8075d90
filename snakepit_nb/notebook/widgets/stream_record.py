"""What a view keeps of a stream: so little, and taken so quickly, that no stream feels it."""

from collections import deque
from collections.abc import Callable
from itertools import islice

from snakepit_nb.blocking.short_text import one_line, short_value
from snakepit_nb.blocking.stream_lines import (
    MOST_VALUES,
    PROGRESS,
    as_fraction,
    as_number,
    fields_in,
)

from .sparkline import Samples
from .view_model import Field, Look, Row

KEPT_CHUNKS = 4
MOST_COLUMNS = 6
LONGEST_CELL = 20


class StreamRecord:
    """The last chunks, the last value of each field, and how the numbers went."""

    def __init__(self) -> None:
        self.chunks = 0
        self._recent: deque[object] = deque(maxlen=KEPT_CHUNKS)
        self._values: dict[object, object] = {}
        self._samples: dict[object, Samples] = {}

    def take(self, data: object) -> None:
        """Takes one more chunk in."""
        self.chunks += 1
        self._recent.append(data)
        for key, value in data.items() if type(data) is dict else fields_in(data):
            if key not in self._values:
                self._enter(key)
            self._values[key] = value
            samples = self._samples[key]
            if samples.wants_next():
                number = as_number(value)
                if number is not None:
                    samples.add(number)

    def copy(self) -> "StreamRecord":
        """Returns what does not change any more."""
        copied = StreamRecord()
        copied.chunks = self.chunks
        copied._recent = self._recent.copy()
        copied._values = self._values.copy()
        copied._samples = self._samples.copy()
        return copied

    @property
    def fraction(self) -> float | None:
        """How far the stream says that it is, from 0 to 1."""
        return as_fraction(self._values.get(PROGRESS))

    def fields(self, look: Callable[[object], Look]) -> tuple[Field, ...]:
        """The fields as they were last, but for what the bar shows."""
        return tuple(
            Field(
                key=short_value(key) if key else "",
                look=look(value),
                samples=self._samples[key].all(),
            )
            for key, value in self._values.items()
            if key != PROGRESS or self.fraction is None
        )

    def rows(self, brief: Callable[[object], str]) -> tuple[Row, ...]:
        """The last chunks, oldest first, each with its number and its fields as short texts."""
        first = self.chunks - len(self._recent) + 1
        return tuple(
            Row(
                number=number,
                cells={
                    one_line(str(key), LONGEST_CELL): one_line(brief(value), LONGEST_CELL)
                    for key, value in fields
                },
            )
            for number, data in enumerate(self._recent, first)
            for fields in [islice(fields_in(data), MOST_COLUMNS)]
        )

    def _enter(self, key: object) -> None:
        if len(self._values) >= MOST_VALUES:
            oldest = next(iter(self._values))
            del self._values[oldest], self._samples[oldest]
        self._values[key] = None
        self._samples[key] = Samples()
