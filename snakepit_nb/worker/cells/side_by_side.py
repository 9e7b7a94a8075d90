"""The surroundings of cells that share their process with others that run at the same time.

What Python and IPython keep once for a process, each session seems to have for itself: `sys.stdout`
and its like, `get_ipython`, `__main__`. Which session the running code belongs to, a context
variable tells; threads that a session's code starts belong to it too. What C code and subprocesses
write cannot be told apart and goes to the worker's log.
"""

import builtins
import getpass
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import ModuleType
from typing import Any

from IPython.core.getipython import get_ipython

from snakepit_nb.worker.context import CallContext, current_call, serving

from .figures import OwnFigures
from .session import Session
from .shell import ZMQInteractiveShell
from .showing import Showing
from .streams import CapturedStream

LOG_DESCRIPTOR = 2

_session: ContextVar[Session | None] = ContextVar("snakepit_session", default=None)


class SideBySide:
    """Each cell's Python output is its own."""

    def __init__(self) -> None:
        _OwnSys.install(CapturedStream(self, "stdout", 1), CapturedStream(self, "stderr", 2))
        self._shells = _CurrentShell()
        self._figures = OwnFigures(_own)
        for cls in ZMQInteractiveShell._walk_mro():
            cls._instance = self._shells  # type: ignore[assignment]
        builtins.get_ipython = get_ipython  # type: ignore[attr-defined]
        builtins.input = _asking("raw_input", builtins.input)
        getpass.getpass = _asking("getpass", getpass.getpass)
        sys.modules["__main__"] = _OwnMain(sys.modules["__main__"])
        start = threading.Thread.start
        threading.Thread.start = lambda thread: _start_in_session(thread, start)  # type: ignore[method-assign, assignment]

    def new_showing(self) -> Showing:
        """Returns a showing of the session's own."""
        return Showing(self.drain)

    def enter(self, session: Session) -> None:
        """Makes the code that runs on, with the tasks and threads that it starts, the session's."""
        session.shell.builtin_trap.auto_builtins.clear()  # ours stand there for good
        self._shells.last = session.shell
        self._figures.install()
        _session.set(session)

    @contextmanager
    def aside(self, session: Session) -> Iterator[None]:
        """Makes the task that calls it the session's."""
        self.enter(session)
        yield

    @property
    def current(self) -> Session | None:
        """The session of the caller."""
        return _session.get()

    def leave(self) -> None:
        """Lets what goes on in the background stay the session's."""

    def show_figures(self, session: Session) -> None:
        """Shows the session's figures, and none of another's."""
        self._figures.show(session.shell)

    def drain(self) -> None:
        """Does nothing: only Python's output is taken in, and at once."""

    def write(self, name: str, text: str) -> None:
        """Puts text out in a cell of the session of the caller."""
        session = _session.get()
        if session is None or not session.showing.text(name, text):
            os.write(LOG_DESCRIPTOR, text.encode("utf-8", "replace"))


def _asking(name: str, otherwise: Callable[..., str]) -> Callable[..., str]:
    """Returns what asks in the cell of the session that calls it, if one runs there."""

    def ask(*arguments: Any, **named: Any) -> str:
        session = _session.get()
        if session is None or not session.showing.takes_questions:
            return otherwise(*arguments, **named)
        answer: str = getattr(session.shell.kernel, name)(*arguments, **named)
        return answer

    return ask


def _own() -> dict[str, Any] | None:
    session = _session.get()
    return None if session is None else session.own


class _Own:
    """An attribute of a module that each session has for itself, once its code has set it."""

    def __init__(self, common: object) -> None:
        self._common = common

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, module: object, _: type | None = None) -> Any:
        own = _own()
        return self._common if own is None else own.get(self._name, self._common)

    def __set__(self, module: object, value: object) -> None:
        own = _own()
        if own is None:
            self._common = value
        else:
            own[self._name] = value


class _OwnSys(ModuleType):
    """The class of `sys`, once it is installed."""

    displayhook = _Own(sys.displayhook)
    excepthook = _Own(sys.excepthook)
    stdout = _Own(sys.stdout)
    stderr = _Own(sys.stderr)

    @classmethod
    def install(cls, stdout: CapturedStream, stderr: CapturedStream) -> None:
        sys.__class__ = cls
        sys.stdout, sys.stderr = stdout, stderr
        # The interpreter itself, as in `print`, looks into the module's dictionary.
        vars(sys).update(
            stdout=_Forward("stdout"),
            stderr=_Forward("stderr"),
            displayhook=_forward_to_displayhook,
        )


def _forward_to_displayhook(value: object) -> None:
    sys.displayhook(value)


class _Forward:
    """Stands for whatever file `sys` has under a name for the session that asks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(getattr(sys, self._name), attribute)


class _CurrentShell:
    """Stands where IPython keeps its one shell; outside of sessions, the last one is as good."""

    last: ZMQInteractiveShell | None = None

    def __get__(self, _instance: object, _: type) -> ZMQInteractiveShell | None:
        session = _session.get()
        return self.last if session is None else session.shell


class _OwnMain(ModuleType):
    """Stands for the session's `__main__`, where pickle and others look its classes up."""

    def __init__(self, common: ModuleType) -> None:
        object.__setattr__(self, "_common", common)

    def __getattribute__(self, name: str) -> Any:
        return getattr(_main_of(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_main_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_main_of(self), name)

    def __dir__(self) -> list[str]:
        return dir(_main_of(self))


def _main_of(module: _OwnMain) -> ModuleType:
    session = _session.get()
    if session is not None:
        own: ModuleType = session.shell.user_module
        return own
    common: ModuleType = object.__getattribute__(module, "_common")
    return common


def _start_in_session(thread: threading.Thread, start: Callable[[threading.Thread], None]) -> None:
    session = _session.get()
    if session is not None:
        run = partial(_run_in_session, session, current_call(), thread.run)
        thread.run = run  # type: ignore[method-assign]
    start(thread)


def _run_in_session(session: Session, call: CallContext, run: Callable[[], None]) -> None:
    _session.set(session)  # for the whole thread, and so for the hook that shows its exception
    with serving(call):
        run()
