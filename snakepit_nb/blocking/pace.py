"""How quick the chunks of a map are, and so how many of them are worth a call."""

from collections import OrderedDict
from typing import NamedTuple

WORTH_SECONDS = 0.002
"""How long a call should run at least: about what the call itself costs."""
IDEAL_SECONDS = 0.02
"""How long a call of several chunks may run: ten times that, and short for who waits."""
SHORTEST_SECONDS = 0.00005
SHARES = 2
"""Into how many calls for each running one the rest of a map is cut where that is worth it."""
GROWTH = 8
"""How many chunks a call may take along for each that has ended: a slow one holds up the others."""
MOST_CHUNKS = 40
"""In one call, whose messages must not get too large."""
REMEMBERED_PACES = 100


class _Known(NamedTuple):
    seconds: float
    """Of a chunk, in the call that ended last."""
    chunks: int
    """How many have ended."""


Known = OrderedDict[int, _Known]


class Pace:
    """What is known of one map's function. Chunks of this map travel together once it is quick."""

    def __init__(self, known: Known, function: int) -> None:
        self._known = known
        self._function = function

    @property
    def is_known(self) -> bool:
        """Whether as many chunks have ended, in this map or one before, as are worth a call."""
        known = self._known.get(self._function)
        return known is not None and known.chunks * known.seconds >= WORTH_SECONDS

    def note(self, seconds: float, chunks: int) -> None:
        """Learns how long a call of so many chunks ran."""
        before = self._known.get(self._function)
        pace = max(seconds / chunks, SHORTEST_SECONDS)
        self._known[self._function] = _Known(pace, chunks + (before.chunks if before else 0))
        if len(self._known) > REMEMBERED_PACES:
            self._known.popitem(last=False)

    def chunks(self, waiting: int, capacity: int) -> int:
        """Returns how many of the waiting chunks the next call should take along.

        So few that workers which hold `capacity` calls are done at the same time, unless they are
        so quick that nobody would see it; and at first few, until many have shown to be quick.
        """
        known = self._known.get(self._function)
        if known is None:
            return 1
        fair = waiting // (SHARES * capacity)
        wanted = round(min(max(fair, WORTH_SECONDS / known.seconds), IDEAL_SECONDS / known.seconds))
        return max(1, min(wanted, GROWTH * known.chunks, MOST_CHUNKS))


class Paces:
    """The paces of the functions that were mapped last: the next map of one is quick at once."""

    def __init__(self) -> None:
        self._known: Known = OrderedDict()

    def of(self, pickled: bytes) -> Pace:
        """Returns a map's own pace. Two functions of one hash are no harm: it is a guess."""
        return Pace(self._known, hash(pickled))
