"""The surroundings of a cell that has its process for itself while it runs."""

import builtins
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from snakepit_nb.worker.runner import Runner

from .figures import bind_figures
from .session import Session
from .showing import Showing
from .streams import OutputCapture


class Alone:
    """All output of the process is the cell's that runs or was the last call."""

    def __init__(self, runner: Runner) -> None:
        self._capture = OutputCapture(runner.uninterrupted)
        self._capture.install()
        self._showing = self._capture.sink = Showing(self.drain)
        runner.at_begin = self._showing.part
        self.current: Session | None = None
        self._asking_before = (builtins.input, getpass.getpass)

    def new_showing(self) -> Showing:
        """Returns the one showing: what one session's threads show may come to another's cell."""
        return self._showing

    def enter(self, session: Session) -> None:
        """Makes the session's shell the one that `get_ipython` and `__main__` mean."""
        self.current = session
        shell = session.shell
        for cls in type(shell)._walk_mro():
            cls._instance = shell  # type: ignore[assignment]
        sys.modules["__main__"] = shell.user_module
        builtins.get_ipython = shell.get_ipython  # type: ignore[attr-defined]
        kernel: Any = shell.kernel
        builtins.input, getpass.getpass = kernel.raw_input, kernel.getpass

    @contextmanager
    def aside(self, session: Session) -> Iterator[None]:
        """Makes the session's shell that one for a while; nothing can be asked."""
        before = self.current
        asking = (builtins.input, getpass.getpass)
        self.enter(session)
        builtins.input, getpass.getpass = self._asking_before
        try:
            yield
        finally:
            if before is not None and before is not session:
                self.enter(before)
            builtins.input, getpass.getpass = asking

    def show_figures(self, session: Session) -> None:
        """Makes the session's shell show figures by itself."""
        bind_figures(session.shell)

    def drain(self) -> None:
        """Takes in what C code and subprocesses wrote."""
        self._capture.drain()

    def leave(self) -> None:
        """Lets nothing be asked any more."""
        builtins.input, getpass.getpass = self._asking_before
