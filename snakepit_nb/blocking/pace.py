"""How quick the chunks of a map are, and so how many of them are worth a call."""

from collections import OrderedDict

WORTH_SECONDS = 0.002
"""How long a call should run at least: about what the call itself costs."""
IDEAL_SECONDS = 0.02
"""How long a call of several chunks may run: ten times that, and short for who waits."""
SHORTEST_SECONDS = 0.0005  # workers tell whole milliseconds
SHARES = 2
"""Into how many calls for each running one the rest of a map is cut where that is worth it."""
REMEMBERED_PACES = 100


class Pace:
    """What is known of one map's function. Chunks of this map travel together once it is quick."""

    def __init__(self, known: OrderedDict[int, float], function: int) -> None:
        self._known = known
        self._function = function

    def note(self, seconds: float, chunks: int) -> None:
        """Learns how long a call of so many chunks ran."""
        self._known[self._function] = max(seconds / chunks, SHORTEST_SECONDS)
        if len(self._known) > REMEMBERED_PACES:
            self._known.popitem(last=False)

    def chunks(self, waiting: int, capacity: int) -> int:
        """Returns how many of the waiting chunks the next call should take along.

        So few that workers which hold `capacity` calls are done at the same time, unless they are
        so quick that nobody would see it.
        """
        seconds = self._known.get(self._function)
        if seconds is None:
            return 1
        fair = waiting // (SHARES * capacity)
        return max(1, round(min(max(fair, WORTH_SECONDS / seconds), IDEAL_SECONDS / seconds)))


class Paces:
    """The paces of the functions that were mapped last: the next map of one is quick at once."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, float] = OrderedDict()

    def of(self, pickled: bytes) -> Pace:
        """Returns a map's own pace. Two functions of one hash are no harm: it is a guess."""
        return Pace(self._known, hash(pickled))
