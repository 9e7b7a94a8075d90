"""Which worker a session belongs to: its home, where its state lives, or one it merely prefers."""

from collections import OrderedDict
from collections.abc import Collection
from typing import TypeVar

from snakepit_nb.identifiers import SessionId, WorkerId

from .decisions import SessionExpired, SessionLost

REMEMBERED = 10_000

V = TypeVar("V")


class SessionTable:
    """A session has a home from its first strict call (each cell is one) until that is lost.

    Where it has had no call for `ttl` seconds, it expires. What became of it is told to its next
    call, once; of preferences and of losses the oldest are forgotten when there are too many.
    """

    def __init__(self, *, ttl: float | None = None) -> None:
        self._ttl = ttl
        self._homes: dict[SessionId, WorkerId] = {}
        self._residents: dict[WorkerId, dict[SessionId, None]] = {}
        self._losses: OrderedDict[SessionId, SessionLost | SessionExpired] = OrderedDict()
        self._preferences: OrderedDict[SessionId, WorkerId] = OrderedDict()
        self._calls: dict[SessionId, int] = {}
        self._idle_since: OrderedDict[SessionId, float] = OrderedDict()  # the longest first
        self._kept: set[SessionId] = set()

    @property
    def homes(self) -> dict[SessionId, WorkerId]:
        """The homes of all sessions that have one."""
        return dict(self._homes)

    @property
    def number(self) -> int:
        """How many sessions have a home."""
        return len(self._homes)

    def home_of(self, session_id: SessionId | None) -> WorkerId | None:
        """Returns the worker that holds the session's state, if there is any."""
        return None if session_id is None else self._homes.get(session_id)

    def preference_of(self, session_id: SessionId | None) -> WorkerId | None:
        """Returns the worker that had the session last; it may be gone."""
        return None if session_id is None else self._preferences.get(session_id)

    def residents(self, worker_id: WorkerId) -> Collection[SessionId]:
        """Returns the sessions whose state is on a worker."""
        return self._residents.get(worker_id, {}).keys()

    def settle(self, session_id: SessionId, worker_id: WorkerId) -> None:
        """Makes a worker the home of a session that has none."""
        self._homes[session_id] = worker_id
        self._residents.setdefault(worker_id, {})[session_id] = None

    def prefer(self, session_id: SessionId, worker_id: WorkerId) -> None:
        """Notes the worker that had the session last."""
        _remember(self._preferences, session_id, worker_id)

    def begin_call(self, session_id: SessionId | None, *, keeps: bool) -> None:
        """Notes that a call of the session waits or runs; with `keeps` it never expires."""
        if session_id is None:
            return
        self._calls[session_id] = self._calls.get(session_id, 0) + 1
        self._idle_since.pop(session_id, None)
        if keeps:
            self._kept.add(session_id)

    def end_call(self, session_id: SessionId | None, now: float) -> None:
        """Notes that a call of the session waits or runs no more."""
        if session_id is None:
            return
        self._calls[session_id] -= 1
        if not self._calls[session_id]:
            del self._calls[session_id]
            if session_id in self._homes and session_id not in self._kept:
                self._idle_since[session_id] = now

    def expire(self, now: float) -> dict[SessionId, WorkerId]:
        """Strikes out the sessions that nobody called for too long; returns where they were."""
        expired: dict[SessionId, WorkerId] = {}
        while self._ttl is not None and self._idle_since:
            session_id, since = next(iter(self._idle_since.items()))
            if not now - since > self._ttl:
                break
            expired[session_id] = self._homes[session_id]
            self.forget(session_id)
            loss = SessionExpired(session_id=session_id, seconds=self._ttl)
            _remember(self._losses, session_id, loss)
        return expired

    def lose(self, worker_id: WorkerId, *, told: Collection[SessionId | None]) -> None:
        """Strikes out a worker's sessions; those not `told` already hear of it by `take_loss`."""
        for session_id in tuple(self.residents(worker_id)):
            self.forget(session_id)
            loss = SessionLost(session_id=session_id, worker_id=worker_id)
            _remember(self._losses, session_id, loss)
        self._residents.pop(worker_id, None)
        for known in told:  # also those whose home was given up before, as it drained
            if known is None:
                continue
            if self._losses.get(known) == SessionLost(session_id=known, worker_id=worker_id):
                del self._losses[known]

    def take_loss(self, session_id: SessionId | None) -> SessionLost | SessionExpired | None:
        """Returns, once, what took the session's state away."""
        return None if session_id is None else self._losses.pop(session_id, None)

    def forget(self, session_id: SessionId) -> None:
        """Strikes out one session; calls of it that wait or run still count."""
        home = self._homes.pop(session_id, None)
        if home is not None:
            del self._residents[home][session_id]
        self._preferences.pop(session_id, None)
        self._losses.pop(session_id, None)
        self._idle_since.pop(session_id, None)
        self._kept.discard(session_id)


def _remember(notes: OrderedDict[SessionId, V], session_id: SessionId, note: V) -> None:
    notes[session_id] = note
    notes.move_to_end(session_id)
    if len(notes) > REMEMBERED:
        notes.popitem(last=False)
