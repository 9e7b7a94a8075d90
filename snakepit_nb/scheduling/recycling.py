"""When a worker has served long enough, and another shall take its place."""

from dataclasses import dataclass

from snakepit_nb.settings import MIB

JITTER = 0.1
"""By how much of itself each limit is changed at random, lest all workers go at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long one worker may serve; None: without limit."""

    age: float | None = None
    """Seconds."""
    calls: int | None = None
    memory: float | None = None
    """Resident bytes."""

    @property
    def is_limited(self) -> bool:
        """Tells whether it ever ends."""
        return any(limit is not None for limit in (self.age, self.calls, self.memory))

    def with_jitter(self, chance: float) -> "Lifetime":
        """Returns one whose limits are up to a tenth lower or higher; `chance` is from 0 to 1."""
        factor = 1 + JITTER * (2 * chance - 1)
        return Lifetime(
            age=None if self.age is None else self.age * factor,
            calls=None if self.calls is None else round(self.calls * factor),
            # Never above what the user said: a machine has no more.
            memory=None if self.memory is None else self.memory * (1 - JITTER * chance),
        )

    def is_over(self, *, age: float, calls: int, memory: int) -> str:
        """Returns in words which limit was reached; empty: none."""
        if self.memory is not None and memory > self.memory:
            return f"it holds {memory / MIB:,.0f} MiB of memory"
        if self.calls is not None and calls >= self.calls:
            return f"it has served {calls:,} calls"
        if self.age is not None and age >= self.age:
            return f"it has served for {age:,.0f} s"
        return ""
