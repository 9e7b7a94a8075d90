"""What the bridge keeps of sessions: their metadata, and since when they are there.

The pool owns a session's life; what is kept here goes with it, or when nobody asked for it any
longer. Times are arguments: `now` counts seconds, `wall` is the time of day.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from snakepit_nb.errors import SessionQuotaError, UsageError
from snakepit_nb.identifiers import SessionId
from snakepit_nb.pool.quota import SessionQuota

LONGEST_ID = 128


@dataclass(slots=True, kw_only=True)
class KnownSession:
    """One session, as other programs and workers see it."""

    session_id: SessionId
    created_at: datetime
    metadata: dict[str, str] = field(default_factory=dict)


class SessionStore:
    """The sessions that somebody has opened at the bridge, the longest unused first."""

    def __init__(self, *, ttl: float | None, limit: int) -> None:
        self._ttl = ttl
        self._quota = SessionQuota(limit)
        self._sessions: OrderedDict[SessionId, KnownSession] = OrderedDict()
        self._used: dict[SessionId, float] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(
        self, session_id: SessionId, metadata: Mapping[str, str], *, now: float, wall: datetime
    ) -> KnownSession:
        """Returns a session, which is made if it is not there. The metadata is added to its own.

        Raises:
            UsageError: the id is none.
            SessionQuotaError: there are as many sessions as may be.
        """
        known = self._sessions.get(session_id)
        if known is None:
            self._check(session_id)
            known = KnownSession(session_id=session_id, created_at=wall)
            self._sessions[session_id] = known
            self._quota.note(len(self))
        known.metadata.update(metadata)
        self.use(session_id, now=now)
        return known

    def use(self, session_id: SessionId, *, now: float) -> KnownSession | None:
        """Returns a session and lets it live on from now; None: it is not there."""
        known = self._sessions.get(session_id)
        if known is not None:
            self._used[session_id] = now
            self._sessions.move_to_end(session_id)
        return known

    def remove(self, session_id: SessionId) -> bool:
        """Forgets a session; tells whether it was there."""
        self._used.pop(session_id, None)
        found = self._sessions.pop(session_id, None) is not None
        self._quota.note(len(self))
        return found

    def unused(self, *, now: float) -> tuple[SessionId, ...]:
        """Returns those that nobody has used for longer than they live."""
        if self._ttl is None:
            return ()
        return tuple(name for name in self._sessions if now - self._used[name] > self._ttl)

    def _check(self, session_id: SessionId) -> None:
        if not 0 < len(session_id) <= LONGEST_ID or not session_id.isprintable():
            raise UsageError(
                f"session {session_id[:40]!r}: give 1 to {LONGEST_ID} printable characters."
            )
        if len(self) >= self._quota.limit:
            raise SessionQuotaError(
                f"There are {len(self)} sessions, and no more may be. End some, or raise "
                "session_limit."
            )
