"""What one decision of the scheduler costs, in a small pool and in a huge one, in the same run.

Usage: python benchmarks/scheduler.py
"""

import statistics
import time
from collections import deque
from collections.abc import Callable
from itertools import count

from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.scheduling.events import CallEnded, CallSubmitted, Event, PoolResized, WorkerReady
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.settings import Affinity

DECISIONS = 2_000
ROUNDS = 15
CAPACITY = 4
QUEUED = 100_000
SESSIONS = 1_000

Step = Callable[[], Event]


class Scene:
    """A full pool with calls that wait, and the events that are timed."""

    def __init__(self, *, workers: int, queued: int) -> None:
        self._numbers = count()
        self._scheduler = Scheduler(queue_size=2 * QUEUED, session_ttl=3600.0)
        self._now = 0.0
        self.running: deque[CallId] = deque()
        self.handle(PoolResized(workers=workers))
        for worker in self._scheduler.snapshot().workers:
            self.handle(WorkerReady(worker_id=worker.worker_id, capacity=CAPACITY))
        for _ in range(workers * CAPACITY + queued):
            self.handle(self.a_call())

    def handle(self, event: Event) -> None:
        """Lets the scheduler decide, and notes what it granted."""
        self._now += 0.001
        for decision in self._scheduler.handle(event, self._now):
            if type(decision).__name__ == "GrantLease":
                self.running.append(decision.call_id)  # type: ignore[union-attr]

    def a_call(self) -> Event:
        """Submits a call; some of them belong to sessions, a few of which are strict."""
        number = next(self._numbers)
        session = None if number % 3 else SessionId(f"s{number % SESSIONS}")
        is_strict = session is not None and number % 5 == 0
        return CallSubmitted(
            call_id=CallId(f"c{number}"),
            session_id=session,
            affinity=Affinity.STRICT_QUEUE if is_strict else Affinity.HINT,
        )

    def an_end(self) -> Event:
        """Ends the call that runs longest, which grants the next."""
        return CallEnded(call_id=self.running.popleft())

    def microseconds(self) -> float:
        """Times calls that end and calls that come, by turns; returns what one of them costs."""
        events = 0
        begun = time.perf_counter()
        while events < DECISIONS:
            if self.running:
                self.handle(self.an_end())
            self.handle(self.a_call())
            events += 2
        return 1e6 * (time.perf_counter() - begun) / events


def measure() -> dict[str, float]:
    """Returns every figure, by name."""
    small, huge = Scene(workers=4, queued=100), Scene(workers=4000, queued=QUEUED)
    times: dict[Scene, list[float]] = {small: [], huge: []}
    for _ in range(ROUNDS):
        for scene, spent in times.items():
            spent.append(scene.microseconds())
    few, many = (statistics.median(spent) for spent in times.values())
    return {
        "one decision, 4 workers and 100 queued, us": few,
        "one decision, 4,000 workers and 100,000 queued, us": many,
        "ratio": many / few,
    }


if __name__ == "__main__":
    for name, figure in measure().items():
        print(f"{name:<52} {figure:8.2f}")
