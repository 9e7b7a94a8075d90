"""What a pool's bridge does for code that blocks."""

from collections.abc import Callable
from typing import Any

from snakepit_nb.bridge.host_tools import local_tool
from snakepit_nb.identifiers import SessionId

from .feed import Feed
from .portal import portal
from .portal_task import wait


class BridgeCalls:
    """The bridge of whoever has a pool."""

    _feed: Feed

    def expose_to(self, session: str, function: Callable[..., Any], *, name: str = "") -> None:
        """Lets the code of a session, and no other, call a function; it goes with the session.

        Raises:
            UsageError: its name cannot be a tool's, or the session has one of that name.
            SessionQuotaError: there are as many sessions as may be.
        """
        doors, session_id = self._feed.doors, SessionId(session)
        tool = local_tool(function, name=name)

        def register() -> None:
            doors.bridge.open_session(session_id, {})
            doors.bridge.registry.register(session_id, [tool])

        portal().call(register)
        wait(doors.listen)
