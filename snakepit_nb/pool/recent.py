"""The calls of the last minute: how many a second, and how long they took."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

WINDOW_SECONDS = 60
STEPS = 8
"""Into how many classes durations are sorted between one and its double."""
SHORTEST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What they come to."""

    per_second: float = 0.0
    median: float | None = None
    """Seconds from a call's submission to its end, as `slow`; None where none has ended."""
    slow: float | None = None
    """95 of 100 took no longer."""


@dataclass(slots=True)
class _Class:
    """Durations that are about as long as each other."""

    count: int = 0
    total: float = 0.0


@dataclass(slots=True)
class _Second:
    """The calls that ended within one second."""

    second: int
    classes: defaultdict[int, _Class] = field(default_factory=lambda: defaultdict(_Class))


class RecentCalls:
    """Counts each call in constant time and memory; the sums are made when somebody looks."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._seconds: deque[_Second] = deque(maxlen=WINDOW_SECONDS)

    def note(self, took: float, now: float) -> None:
        """Counts a call that took so many seconds and has ended."""
        second = int(now)
        if not self._seconds or self._seconds[-1].second != second:
            self._seconds.append(_Second(second))
        same = self._seconds[-1].classes[math.floor(STEPS * math.log2(max(took, SHORTEST)))]
        same.count += 1
        same.total += took

    def look(self, now: float) -> Recent:
        """Sums up the last minute, or less where there has been less."""
        classes: defaultdict[int, _Class] = defaultdict(_Class)
        for each in self._seconds:
            if each.second > now - WINDOW_SECONDS:
                for length, found in each.classes.items():
                    classes[length].count += found.count
                    classes[length].total += found.total
        count = sum(found.count for found in classes.values())
        if not count:
            return Recent()
        ordered = [classes[length] for length in sorted(classes)]
        return Recent(
            per_second=count / min(WINDOW_SECONDS, max(1.0, now - self._since)),
            median=_quantile(ordered, count * 0.5),
            slow=_quantile(ordered, count * 0.95),
        )


def _quantile(ordered: Iterable[_Class], wanted: float) -> float:
    """Returns the mean of the class in which the wanted of all calls is, shortest first."""
    mean = 0.0
    for found in ordered:
        mean = found.total / found.count
        wanted -= found.count
        if wanted <= 0:
            break
    return mean
