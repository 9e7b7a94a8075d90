"""What a process tells of itself: kept until somebody wants to hear it, in a bounded ring.

Any thread tells; nobody takes a lock, since user code may be interrupted anywhere.
"""

import fnmatch
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import anyio

from snakepit_nb.observations import EventControl, ToldEvent

from .correlation import current_correlation_id

KEPT = 1024
DROPPED = "telemetry.dropped"
"""Told where events came faster than they were read. Measurement: `count`."""

_random = random.Random()  # noqa: S311  # of our own: user code may want its own repeated

CallSoon = Callable[[Callable[[], None]], object]
_Told = tuple[str, int, Mapping[str, float], Mapping[str, str], str]
"""An event's fields, in order: most events are never read, so none is made of them yet."""


class EventStream:
    """The events of one worker. When there are too many, the oldest are dropped, and counted."""

    def __init__(
        self,
        *,
        kept: int = KEPT,
        chance: Callable[[], float] = _random.random,
    ) -> None:
        self.control = EventControl()
        self._kept = kept
        self._chance = chance
        self._ring: deque[tuple[int, _Told]] = deque(maxlen=kept)
        self._numbers = count()
        self._expected = 0
        self._fits: tuple[Callable[[str], bool], ...] = ()
        self._reader: EventReader | None = None

    def emit(
        self,
        name: str,
        measurements: Mapping[str, float],
        metadata: Mapping[str, str],
        correlation_id: str | None = None,
    ) -> None:
        """Tells something that happened now, in the running call; from any thread, at once."""
        for fits in self._fits:
            if not fits(name):
                return
        if correlation_id is None:
            correlation_id = current_correlation_id() or ""
        told = (name, time.time_ns(), measurements, metadata, correlation_id)
        self._ring.append((next(self._numbers), told))
        if self._reader is not None:
            self._reader.announce()

    def apply(self, control: EventControl) -> None:
        """Changes what is told from now on, and what a reader gets that has not begun to read."""
        self.control = control
        choices = tuple(_choices(control))
        self._fits = (*choices, *self._samplings(control))
        if self._reader is not None and not self._reader.has_begun:
            for _ in range(len(self._ring)):
                number, told = self._ring.popleft()
                if all(fits(told[0]) for fits in choices):
                    self._ring.append((number, told))

    @contextmanager
    def attached(self, call_soon: CallSoon) -> Iterator["EventReader"]:
        """Returns who reads what was kept and what comes, on the running loop.

        There is one at a time: another one ends the one before.
        """
        self.close()
        reader = self._reader = EventReader(self, call_soon)
        try:
            yield reader
        finally:
            if self._reader is reader:
                self._reader = None

    def close(self) -> None:
        """Ends who reads now, once that has read what is kept."""
        if self._reader is not None:
            self._reader.end()

    def take_now(self) -> list[ToldEvent]:
        """Returns what is kept; for one thread."""
        taken = [self._ring.popleft() for _ in range(len(self._ring))]
        if not taken:
            return []
        following = max(number for number, _ in taken) + 1
        dropped = following - self._expected - len(taken)
        self._expected = following
        events = [_event(*told) for _, told in taken]
        if dropped > 0 and len(taken) >= self._kept:  # else two threads overtook each other
            events.insert(0, _dropped(dropped, events[0].at))
        return events

    def _samplings(self, control: EventControl) -> Iterator[Callable[[str], bool]]:
        if control.sampling < 1:
            is_sampled = _any_of(control.sampled or ("*",))
            yield lambda name: not is_sampled(name) or self._chance() < control.sampling


class EventReader:
    """Who reads a worker's events. Made by `EventStream.attached`."""

    def __init__(self, stream: EventStream, call_soon: CallSoon) -> None:
        self._stream = stream
        self._call_soon = call_soon
        self._filled = anyio.Event()
        self._is_announced = False
        self._is_ended = False
        self.has_begun = False

    async def take(self) -> list[ToldEvent]:
        """Waits for events and returns all; an empty list once it was ended and has read all."""
        self.has_begun = True
        while True:
            self._is_announced = False  # before the look: what comes behind it wakes us again
            events = self._stream.take_now()
            if events or self._is_ended:
                return events
            await self._filled.wait()
            self._filled = anyio.Event()

    def announce(self) -> None:
        """Wakes who waits, from any thread."""
        if not self._is_announced:
            try:
                self._is_announced = True
                self._call_soon(self._wake)
            except BaseException:  # an interrupt between the two: the next one announces
                self._is_announced = False
                raise

    def end(self) -> None:
        """Lets `take` return an empty list in the end; for the reader's own thread."""
        self._is_ended = True
        self._wake()

    def _wake(self) -> None:
        self._filled.set()


def _choices(control: EventControl) -> Iterator[Callable[[str], bool]]:
    """Yields what names have to fit."""
    if not control.enabled:
        yield lambda _: False
    if control.allow:
        yield _any_of(control.allow)
    if control.deny:
        denied = _any_of(control.deny)
        yield lambda name: not denied(name)


def _any_of(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    fits = re.compile("|".join(map(fnmatch.translate, patterns))).match
    return lambda name: fits(name) is not None


def _event(
    name: str,
    at: int,
    measurements: Mapping[str, float],
    metadata: Mapping[str, str],
    correlation_id: str,
) -> ToldEvent:
    return ToldEvent(
        name=name,
        at=at,
        measurements=measurements,
        metadata=metadata,
        correlation_id=correlation_id,
    )


def _dropped(number: int, at: int) -> ToldEvent:
    return ToldEvent(name=DROPPED, at=at, measurements={"count": number})
