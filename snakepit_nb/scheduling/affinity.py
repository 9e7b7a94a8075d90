"""Which worker a session belongs to: its home, where its state lives, or one it merely prefers."""

from collections import OrderedDict
from collections.abc import Collection

from snakepit_nb.identifiers import SessionId, WorkerId

PREFERENCES_KEPT = 10_000


class SessionTable:
    """A session has a home from its first strict call (each cell is one) until that is lost."""

    def __init__(self) -> None:
        self._homes: dict[SessionId, WorkerId] = {}
        self._residents: dict[WorkerId, dict[SessionId, None]] = {}
        self._losses: dict[SessionId, WorkerId] = {}  # whose users have not been told yet
        self._preferences: OrderedDict[SessionId, WorkerId] = OrderedDict()

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
        """Notes the worker that had the session last; of too many notes the oldest goes."""
        self._preferences[session_id] = worker_id
        self._preferences.move_to_end(session_id)
        if len(self._preferences) > PREFERENCES_KEPT:
            self._preferences.popitem(last=False)

    def lose(self, worker_id: WorkerId, *, told: Collection[SessionId | None]) -> None:
        """Strikes out a worker's sessions; those not `told` already hear of it by `take_loss`."""
        for session_id in self._residents.pop(worker_id, ()):
            del self._homes[session_id]
            self._losses[session_id] = worker_id
        for known in told:  # also those whose home was given up before, as it drained
            if known is not None and self._losses.get(known) == worker_id:
                del self._losses[known]

    def take_loss(self, session_id: SessionId | None) -> WorkerId | None:
        """Returns, once, the worker whose end took the session's state away."""
        return None if session_id is None else self._losses.pop(session_id, None)

    def forget(self, session_id: SessionId) -> None:
        """Strikes out one session."""
        home = self._homes.pop(session_id, None)
        if home is not None:
            del self._residents[home][session_id]
        self._preferences.pop(session_id, None)
        self._losses.pop(session_id, None)
