"""What a pool's bridge does for code that blocks."""

from collections.abc import Callable
from functools import partial
from typing import Any

from snakepit_nb.bridge.doors import Served
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

    def serve(self, port: int = 0) -> Served:
        """Lets other programs of this machine call the pool's tools, until `stop_serving`.

        They speak `snakepit.bridge` over gRPC, and send the token that is returned in the header
        `x-snakepit-token`. Again returns the same.

        Args:
            port: Where, on the loopback interface; 0 lets the system choose.

        Raises:
            UsageError: the port is none, or is taken.
        """
        return wait(partial(self._feed.doors.serve, port))

    def stop_serving(self) -> bool:
        """Lets other programs in no more; tells whether they were."""
        return wait(self._feed.doors.stop_serving)
