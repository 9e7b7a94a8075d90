"""How often a worker's place may get a new worker for one that has crashed."""

from collections import defaultdict, deque

WINDOW_SECONDS = 60.0


class Restarts:
    """The crashes of late, by place. A place that crashes too often is given up."""

    def __init__(self, *, limit: int | None) -> None:
        self._limit = limit
        self._crashes: defaultdict[int, deque[float]] = defaultdict(deque)

    def note(self, place: int, now: float) -> int:
        """Notes a crash. Returns 0 if the place may have another worker, else how many it had.

        It may after `limit` crashes within the window, and not after one more.
        """
        if self._limit is None:
            return 0
        crashes = self._crashes[place]
        crashes.append(now)
        while crashes and crashes[0] <= now - WINDOW_SECONDS:
            crashes.popleft()
        return len(crashes) if len(crashes) > self._limit else 0

    def forget(self) -> None:
        """Begins anew: the user has said how many workers there shall be."""
        self._crashes.clear()
