"""Whether a call whose worker was lost is run again, and when."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from snakepit_nb.errors import Progress
from snakepit_nb.identifiers import WorkerId

MOST_BEGUN = 2
"""In how many workers a call may have begun: what crashed two is not tried on a third."""
MOST_ATTEMPTS = 10
"""Also of one that never began: a pool whose workers do not live does not try for ever."""
DELAYS = (0.1, 0.2, 0.4)
"""Seconds before each further attempt; the last is used again."""
JITTER = 0.25
"""By how much of itself a delay is changed at random."""
BUDGET = 10.0
"""How many workers may be lost at once whose calls are run again that had begun."""
REMEMBERED = 100
"""How many of the last lost workers are known."""
BUDGET_PER_CALL = 0.2
"""How much of that each call that ends well gives back."""


class NoRetry(Enum):
    """Why a call is not run again."""

    NOT_IDEMPOTENT = "it may not run twice"
    PARTLY_TOLD = "its first items are out"
    TWO_CRASHES = "it has crashed two workers"
    ATTEMPTS = "too many workers were lost before they began it"
    BUDGET = "too many workers were lost of late"
    NO_TIME = "no time was left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Run the call again after this many seconds."""

    delay: float


def decide(
    lost: Sequence[Progress],
    *,
    is_idempotent: bool,
    is_partly_told: bool,
    seconds_left: float | None,
    chance: float,
) -> Retry | NoRetry:
    """Decides what becomes of a call after its workers were lost, the latest last.

    A call that had not begun is always run again, the first time at once. `chance`, from 0 to 1,
    is what the jitter takes.
    """
    begun = sum(progress is not Progress.NOT_STARTED for progress in lost)
    has_begun = lost[-1] is not Progress.NOT_STARTED
    refusals = {
        NoRetry.ATTEMPTS: len(lost) >= MOST_ATTEMPTS,
        NoRetry.TWO_CRASHES: begun >= MOST_BEGUN,
        NoRetry.NOT_IDEMPOTENT: has_begun and not is_idempotent,
        NoRetry.PARTLY_TOLD: has_begun and is_partly_told,
    }
    for refusal, applies in refusals.items():
        if applies:
            return refusal
    delay = _delay(len(lost), chance) if has_begun or len(lost) > 1 else 0.0
    if seconds_left is not None and seconds_left <= delay:
        return NoRetry.NO_TIME
    return Retry(delay=delay)


def _delay(attempts: int, chance: float) -> float:
    return DELAYS[min(attempts, len(DELAYS)) - 1] * (1 + JITTER * (2 * chance - 1))


class RetryBudget:
    """Whether calls are run again, so that a storm of crashes does not feed itself."""

    def __init__(self) -> None:
        self.left = BUDGET
        self._paid: deque[WorkerId] = deque(maxlen=REMEMBERED)

    def note_success(self) -> None:
        """Notes a call that ended well."""
        self.left = min(BUDGET, self.left + BUDGET_PER_CALL)

    def take(self, lost: WorkerId) -> bool:
        """Pays for all that a lost worker ran, if there is enough."""
        if lost in self._paid:
            return True
        if self.left < 1:
            return False
        self.left -= 1
        self._paid.append(lost)
        return True
