"""One session of a worker: its shell, and what the cell shows that runs in it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from snakepit_nb.identifiers import SessionId

from .shell import ZMQInteractiveShell
from .showing import Showing


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """The variables of one session, and what in the process is its own."""

    session_id: SessionId | None
    """None: it is one cell's only."""
    shell: ZMQInteractiveShell
    showing: Showing
    own: dict[str, Any] = field(default_factory=dict)
    """What its code has set of what a process has only once, by name."""


class Surroundings(Protocol):
    """What a cell finds around it in the process: output, `get_ipython`, `__main__`."""

    def new_showing(self) -> Showing:
        """Returns where a new session's cells show."""

    def enter(self, session: Session) -> None:
        """Makes the surroundings the session's, for the code that runs on."""

    def aside(self, session: Session) -> AbstractContextManager[None]:
        """Makes the surroundings the session's for a while, also amid a cell that awaits."""

    @property
    def current(self) -> Session | None:
        """The session to which the running code belongs, as far as that can be told."""

    def show_figures(self, session: Session) -> None:
        """Shows what the cell that ends now has drawn, where IPython would not."""

    def drain(self) -> None:
        """Takes in what was written by other means than Python's."""

    def leave(self) -> None:
        """Ends what `enter` began."""
