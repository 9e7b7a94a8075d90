"""Circuit breakers: a tool that keeps losing its workers is not called for a while."""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from snakepit_nb.identifiers import WorkerId

REMEMBERED = 1000  # tools


class Circuit(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    """All do."""
    OPEN = "open"
    """None does."""
    HALF_OPEN = "half-open"
    """One does, and decides."""


@dataclass(slots=True)
class _Breaker:
    failures: int = 0  # one after the other
    lost: set[WorkerId] = field(default_factory=set)
    """The workers whose losses are among them."""
    opened_at: float | None = None
    is_probed: bool = False


class Breakers:
    """The breakers of a pool's tools.

    A breaker opens at the `limit`-th failure in a row, and after `seconds` lets one call pass: its
    success closes the breaker, its failure opens it again. A limit of None opens none.
    """

    def __init__(self, *, limit: int | None, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._breakers: OrderedDict[str, _Breaker] = OrderedDict()  # of those that have failed

    def state_of(self, tool: str, now: float) -> Circuit:
        """Tells whether calls of a tool pass."""
        breaker = self._breakers.get(tool)
        if breaker is None or breaker.opened_at is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._seconds_left(breaker, now) <= 0 else Circuit.OPEN

    def not_closed(self, now: float) -> dict[str, Circuit]:
        """Returns the tools whose calls do not all pass."""
        states = {tool: self.state_of(tool, now) for tool in self._breakers}
        return {tool: state for tool, state in states.items() if state is not Circuit.CLOSED}

    def admit(self, tool: str, now: float) -> float:
        """Returns 0 if a call may pass, else after how many seconds one may be tried again.

        What may pass must be told by `settle`.
        """
        breaker = self._breakers.get(tool)
        if breaker is None or breaker.opened_at is None:
            return 0.0
        if breaker.is_probed:
            return self._seconds
        left = self._seconds_left(breaker, now)
        breaker.is_probed = left <= 0
        return max(left, 0.0)

    def settle(
        self, tool: str, *, failed: bool | None, now: float, lost: WorkerId | None = None
    ) -> Circuit | None:
        """Notes how a call that passed has ended; None: it tells nothing of the tool.

        The loss of one worker is one failure, however many calls of the tool it ran.

        Returns the state that the tool's breaker has newly come to, if it has.
        """
        breaker = self._breakers.get(tool)
        if failed:
            return self._note_failure(tool, now, lost)
        if breaker is None:
            return None
        was_open = breaker.opened_at is not None
        if failed is None:
            breaker.is_probed = False  # the next call decides
            return None
        del self._breakers[tool]
        return Circuit.CLOSED if was_open else None

    def _note_failure(self, tool: str, now: float, lost: WorkerId | None) -> Circuit | None:
        if self._limit is None:
            return None
        breaker = self._breakers.setdefault(tool, _Breaker())
        self._breakers.move_to_end(tool)
        if len(self._breakers) > REMEMBERED:
            self._breakers.popitem(last=False)
        if lost in breaker.lost:
            return None
        if lost is not None:
            breaker.lost.add(lost)
        breaker.failures += 1
        is_news = breaker.failures == self._limit or breaker.is_probed
        if not is_news:
            return None
        breaker.is_probed = False
        breaker.opened_at = now
        return Circuit.OPEN

    def _seconds_left(self, breaker: _Breaker, now: float) -> float:
        return 0.0 if breaker.opened_at is None else breaker.opened_at + self._seconds - now
