"""Whose turn it is among the cells of a session: they run one at a time, in order."""

from collections import OrderedDict

from snakepit_nb.identifiers import CallId, SessionId


class Turns:
    """Of each session's cells, the one that runs or may run; the others are held."""

    def __init__(self) -> None:
        self._holders: dict[SessionId, CallId] = {}
        self._held: dict[SessionId, OrderedDict[CallId, None]] = {}

    def is_taken(self, session_id: SessionId | None) -> bool:
        """Tells whether a cell of the session runs, or waits for a worker."""
        return session_id in self._holders

    def holder_of(self, session_id: SessionId | None) -> CallId | None:
        """Returns the cell of the session whose turn it is."""
        return None if session_id is None else self._holders.get(session_id)

    def enter(self, session_id: SessionId, call_id: CallId) -> None:
        """Gives the turn to a cell, or holds it behind the others."""
        if session_id not in self._holders:
            self._holders[session_id] = call_id
        else:
            self._held.setdefault(session_id, OrderedDict())[call_id] = None

    def begin_anew(self, session_id: SessionId) -> None:
        """Lets the session's next cell run beside those of its life before, unless some wait."""
        if session_id not in self._held:
            self._holders.pop(session_id, None)

    def leave(self, session_id: SessionId, call_id: CallId) -> CallId | None:
        """Takes a cell out that runs or waits no more; returns the one whose turn comes by that."""
        held = self._held.get(session_id, OrderedDict())
        held.pop(call_id, None)
        following = None
        if self._holders.get(session_id) == call_id:
            del self._holders[session_id]
            if held:
                following, _ = held.popitem(last=False)
                self._holders[session_id] = following
        if session_id in self._held and not held:
            del self._held[session_id]
        return following
