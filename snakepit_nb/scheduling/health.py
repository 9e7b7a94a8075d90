"""What heartbeats that fail to come say of a worker."""

from dataclasses import dataclass
from enum import StrEnum

CPU_SHARE = 0.1
"""A process that computes for less than this part of the time waits."""


class Illness(StrEnum):
    """Why a worker does not answer, or may not be trusted."""

    FROZEN = "frozen"
    """Its process is stopped, by a signal or a debugger."""
    NATIVE = "in native code"
    """It computes, and native code holds Python's lock meanwhile."""
    STUCK = "stuck"
    """It neither computes nor answers."""
    TAINTED = "tainted"
    """It answers, but an error of a call says that its process is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLook:
    """What the system says of a process at one moment."""

    is_stopped: bool
    cpu_seconds: float
    memory: int
    """Resident bytes, of the process itself."""


@dataclass(slots=True)
class Heartbeats:
    """The heartbeats of one worker. It is ill once `limit` in a row have not come."""

    limit: int
    answered_at: float
    misses: int = 0
    illness: Illness | None = None
    _computed_at: float = 0.0  # when it was last seen to compute
    _look: ProcessLook | None = None
    _looked_at: float = 0.0

    def note_answer(self, now: float) -> None:
        """Notes that one has come."""
        self.answered_at, self.misses, self.illness, self._look = now, 0, None, None
        self._computed_at = now

    def note_miss(self, look: ProcessLook | None, now: float) -> None:
        """Notes that one has not come; the look tells a worker that computes from one that hangs.

        None: the system does not say.
        """
        self.misses += 1
        if self.misses >= self.limit:
            self.illness = self._diagnosis(look, now)
        self._look, self._looked_at = look, now

    def is_hopeless(self, now: float, *, is_busy: bool, busy: float, idle: float) -> bool:
        """Tells whether the worker shall be killed, having been silent for so many seconds.

        One that computes for a call is left to it, however long that takes: the call's own time
        ends that, or its user. So of a busy one only the time counts in which it did not.
        """
        if self.illness is None:
            return False
        if is_busy:
            return now - max(self.answered_at, self._computed_at) >= busy
        return now - self.answered_at >= idle

    def _diagnosis(self, look: ProcessLook | None, now: float) -> Illness:
        if look is None or self._look is None:
            return Illness.STUCK
        if look.is_stopped:
            return Illness.FROZEN
        if look.cpu_seconds - self._look.cpu_seconds < CPU_SHARE * (now - self._looked_at):
            return Illness.STUCK
        self._computed_at = now
        return Illness.NATIVE
