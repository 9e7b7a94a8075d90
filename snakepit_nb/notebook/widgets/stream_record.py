"""What a view keeps of a stream: so little, and taken so quickly, that no stream feels it."""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from snakepit_nb.blocking.short_text import one_line, short_value
from snakepit_nb.blocking.stream_lines import (
    MOST_VALUES,
    PROGRESS,
    as_fraction,
    as_number,
    fields_in,
)

from .view_model import Field, Look, Row

KEPT_CHUNKS = 4
MOST_COLUMNS = 6
LONGEST_CELL = 20
MOST_SAMPLES = 80


class StreamRecord:
    """The last chunks, the last value of each field, and how the numbers went."""

    def __init__(self) -> None:
        self.chunks = 0
        self._recent: deque[object] = deque(maxlen=KEPT_CHUNKS)
        self._values: dict[Any, object] = {}
        self._samples: dict[object, list[float]] = {}
        self._stride = 1
        self._next_sample = 1

    def take(self, data: object) -> None:
        """Takes one more chunk in: in less than a microsecond, where nothing is sampled."""
        self.chunks += 1
        self._recent.append(data)
        fields = data if type(data) is dict else dict(fields_in(data))
        self._values.update(fields)
        if len(self._values) > MOST_VALUES:
            self._let_go()
        if self.chunks >= self._next_sample:
            # Once not each chunk is looked at, it may lack fields that others have.
            self._sample(fields if self._stride == 1 else self._values)

    def copy(self) -> "StreamRecord":
        """Returns what does not change any more."""
        copied = StreamRecord()
        copied.chunks = self.chunks
        copied._recent = self._recent.copy()
        copied._values = self._values.copy()
        copied._samples = {key: numbers.copy() for key, numbers in self._samples.items()}
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
                samples=tuple(self._samples.get(key, ())),
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

    def _sample(self, fields: Mapping[Any, object]) -> None:
        """Notes numbers; when there are many, every other one goes, and fewer come."""
        for key, value in fields.items():
            number = as_number(value)
            if number is not None and key in self._values:
                self._samples.setdefault(key, []).append(number)
        if max(map(len, self._samples.values()), default=0) >= MOST_SAMPLES:
            self._stride *= 2
            for numbers in self._samples.values():
                del numbers[1::2]
        self._next_sample = self.chunks + self._stride

    def _let_go(self) -> None:
        """Keeps the fields that came last."""
        for key in [*self._values][:-MOST_VALUES]:
            del self._values[key]
            self._samples.pop(key, None)
