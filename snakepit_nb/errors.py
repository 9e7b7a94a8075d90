"""Every error that is raised on purpose, in families by whose fault it is."""

import difflib
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import ClassVar, Self

from .identifiers import CorrelationId


class SnakepitError(Exception):
    """The base of all. `category` tells the family, `correlation_id` the cell or call, if known.

    `details` has what the message words, for code: of an error of a call its `pool`, `tool`,
    `call_id`, `session_id` and `worker_id`, and what else is known.
    """

    category: ClassVar[str] = "snakepit"

    def __init__(
        self,
        message: str,
        *,
        correlation_id: CorrelationId | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.correlation_id = correlation_id
        self.details = dict(details or {})

    def __str__(self) -> str:
        if self.correlation_id is None:
            return self.message
        return f"{self.message} [{self.correlation_id}]"


class UsageError(SnakepitError):
    """What the user typed cannot be done; the message says which word and what to do."""

    category = "usage"


class ToolError(SnakepitError):
    """User code raised in a worker. `RemoteValueError` and the like are this too."""

    category = "tool"

    def __init__(
        self,
        message: str,
        *,
        remote_type: str = "Exception",
        remote_traceback: str = "",
        correlation_id: CorrelationId | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, correlation_id=correlation_id, details=details)
        self.remote_type = remote_type
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return self.message  # as the original's, for code that looks at it

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the notebook shows the worker's traceback, not the way to it."""
        if not self.remote_traceback:
            return [f"{self.remote_type}: {self}"]
        lines = self.remote_traceback.rstrip("\n").splitlines()
        if "hint" in self.details:
            lines.append(f"Hint: {self.details['hint']}")
        if self.correlation_id is not None:
            lines.append(f"[in a worker, {self.correlation_id}]")
        return lines


class CellFailedError(ToolError):
    """A cell's code raised. Its subclass has the name of what was raised, and shows as that."""

    def __init__(self, message: str, *, traceback: tuple[str, ...] = ()) -> None:
        super().__init__(message, remote_traceback="\n".join(traceback))
        self._traceback = traceback

    def _render_traceback_(self) -> list[str]:
        return list(self._traceback)  # as IPython made it, part by part


class WorkersFailedError(ToolError, ExceptionGroup[Exception]):
    """A cell that several workers ran failed on some; `by_worker` has each one's error."""

    def __new__(cls, message: str, by_worker: Mapping[str, Exception]) -> Self:
        """Makes the group: its text and its errors are given here, and stay."""
        return super().__new__(cls, message, [*by_worker.values()])

    def __init__(self, message: str, by_worker: Mapping[str, Exception]) -> None:
        # Not `super()`: a group has its message already, and keeps it.
        Exception.__init__(self, message, by_worker)
        self.by_worker = dict(by_worker)
        self.correlation_id = None
        self.details = {}
        self.remote_type = "ExceptionGroup"
        self.remote_traceback = ""

    def _render_traceback_(self) -> list[str]:
        lines = [f"{type(self).__name__}: {self.message}"]
        for worker, error in self.by_worker.items():
            lines += ["", f"[{worker}]", *_rendered(error)]
        return lines


def _rendered(error: Exception) -> list[str]:
    own = error._render_traceback_() if isinstance(error, ToolError) else []
    return own or [f"{type(error).__name__}: {error}"]


class ValueEncodingError(SnakepitError):
    """A value has a type that the line does not carry, or bytes are not what the line writes."""

    category = "value"


class UnsendableResultError(ValueEncodingError):
    """A worker's result has a type that the codec does not carry."""


class PoolError(SnakepitError):
    """The pool could not run a call."""

    category = "pool"


class PoolNotFoundError(PoolError):
    """There is no pool of that name."""


class PoolClosedError(PoolError, RuntimeError):
    """The pool was stopped before or while the call ran. A RuntimeError, as every Executor's."""


class PoolSaturatedError(PoolError):
    """The queue is full."""


class CircuitOpenError(PoolError):
    """The tool has crashed its workers, or run out of time, too often in a row."""


class DeadlockError(PoolError):
    """The call could never run: those that hold the workers wait for it."""


class QueueTimeoutError(PoolError):
    """The call waited in the queue for longer than it may."""


class CallCancelledError(PoolError):
    """The call was cancelled before it ran."""


class CallTimeoutError(PoolError):
    """The call ran for longer than it may; it was interrupted, or its worker was killed."""


class SessionError(SnakepitError):
    """A session cannot take the call."""

    category = "session"


class SessionNotFoundError(SessionError):
    """There is no session of that name."""


class VariableNotFoundError(SessionError, KeyError):
    """The session has no variable of that name. A KeyError too, as every mapping's."""


class SessionBusyError(SessionError):
    """The session's worker is busy, and the call was not to wait for it."""


class SessionLostError(SessionError):
    """The worker that held the session's state is gone, and the state with it."""


class SessionQuotaError(SessionError):
    """There are as many sessions as may be."""


class WorkerError(SnakepitError):
    """A worker process failed."""

    category = "worker"


class WorkerStartError(WorkerError):
    """A worker did not get ready; the message has its last lines on stderr."""


class Progress(Enum):
    """How far a worker had come with a call when it was lost."""

    NOT_STARTED = "had not begun"
    STARTED = "had begun and not ended"
    FINISHED = "had ended; its result was lost"
    UNKNOWN = "may have begun"
    """The worker kept no record."""


class WorkerCrashedError(WorkerError):
    """A worker ended while it ran a call, or was about to. `progress` tells how far that was."""

    def __init__(
        self,
        message: str,
        *,
        progress: Progress = Progress.UNKNOWN,
        correlation_id: CorrelationId | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, correlation_id=correlation_id, details=details)
        self.progress = progress


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Words that name the nearest valid names, to end an error message with."""
    names = sorted(str(name) for name in known)  # an enum's word, not its member
    close = difflib.get_close_matches(wrong, names, n=3)
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}?"
    if names:
        return f"there is {', '.join(repr(name) for name in names[:8])}."
    return "there is none."
