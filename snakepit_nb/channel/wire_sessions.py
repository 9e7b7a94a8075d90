"""Which sessions the workers of a program that is not ours were told of, and are held to.

Each costs such a worker a heartbeat every few seconds until it is told that the session has ended.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import SessionId, WorkerId

MOST_SESSIONS = 32
"""Of one worker; told of another one, it is told first that the longest unused has ended."""


class WireSessions:
    """Those of one worker, the longest unused first."""

    def __init__(self) -> None:
        self._calls: OrderedDict[SessionId, int] = OrderedDict()
        """How many calls each has there now."""
        self.tools: tuple[ToolSpec, ...] = ()
        """What the worker has said of its tools."""

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._calls

    def admit(self, session_id: SessionId) -> None:
        """Notes that the worker is told of a session."""
        self._calls.setdefault(session_id, 0)
        self._calls.move_to_end(session_id)

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        """Keeps a session while a call of it runs."""
        session_id = SessionId(name)
        self._calls[session_id] = self._calls.get(session_id, 0) + 1
        try:
            yield
        finally:
            self._calls[session_id] -= 1

    def calls_of(self, session_id: SessionId) -> int:
        """Tells how many calls of a session run."""
        return self._calls.get(session_id, 0)

    def forget(self, session_id: SessionId) -> None:
        """Notes that the worker was told of a session's end, unless a call has come since."""
        if not self.calls_of(session_id):
            self._calls.pop(session_id, None)

    def too_many(self) -> tuple[SessionId, ...]:
        """Returns those to end, because there are too many."""
        number = len(self._calls) - MOST_SESSIONS
        idle = [name for name, calls in self._calls.items() if not calls]
        return tuple(idle[: max(number, 0)])


class KnownSessions:
    """Those of all workers of a pool: nobody else's matter to the listener without a token."""

    def __init__(self) -> None:
        self._workers: dict[WorkerId, WireSessions] = {}

    @contextmanager
    def of_worker(self, worker_id: WorkerId) -> Iterator[WireSessions]:
        """Keeps those of one worker."""
        sessions = self._workers[worker_id] = WireSessions()
        try:
            yield sessions
        finally:
            del self._workers[worker_id]

    def note_tools(self, worker_id: WorkerId, tools: tuple[ToolSpec, ...]) -> None:
        """Notes what a worker says of its tools."""
        self._workers[worker_id].tools = tools

    def worker_of(self, session_id: SessionId) -> WorkerId | None:
        """Returns a worker that was told of a session, best one that runs it; None: none was."""
        found = {
            worker_id: sessions.calls_of(session_id)
            for worker_id, sessions in self._workers.items()
            if session_id in sessions
        }
        return max(found, key=found.__getitem__, default=None)
