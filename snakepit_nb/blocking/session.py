"""A session by hand: code and variables that stay in one worker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from snakepit_nb.calls import CellReply
from snakepit_nb.errors import UsageError, VariableNotFoundError
from snakepit_nb.identifiers import WORKER_SESSION_PREFIX
from snakepit_nb.wire.failures import cell_failure

from .background import BackgroundCell
from .cell_outcome import unsent_error
from .cell_plan import CellRequest
from .lease import Lease
from .targets import parse_targets


class SessionPool(Protocol):
    """What a session wants of its pool."""

    @property
    def name(self) -> str:
        """The pool's name."""

    def call(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        session: str | None = None,
        **more: Any,
    ) -> Any:
        """Runs a tool."""

    def exec(self, code: str, /, **options: Any) -> Any:
        """Runs a cell."""

    def exec_async(self, code: str, /, **options: Any) -> BackgroundCell:
        """Runs a cell in the background."""

    def run_request(self, request: CellRequest) -> CellReply:
        """Runs a cell and returns its reply."""

    def worker_id(self, name: str | int) -> str:
        """Returns the worker that is at a place now."""

    def lease(self, worker: str | None = None) -> AbstractContextManager[Lease]:
        """Books a share of a worker."""

    def expose_to(self, session: str, function: Callable[..., Any], *, name: str) -> None:
        """Lets the code of a session call a function."""

    def end_session(self, name: str) -> None:
        """Lets a session go."""


class Session:
    """One session of a pool; behind a `with` it is ended.

    It is a mapping of its variables: `session["x"]`, `session["x"] = 1`, `del session["x"]`,
    `"x" in session`; iterating yields their names. Each waits until the cells before it have ended.
    """

    def __init__(self, name: str, pool: SessionPool) -> None:
        self.name = name
        self._pool = pool

    def __repr__(self) -> str:
        return f"<Session {self.name!r} of pool {self._pool.name!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.end()

    def __getitem__(self, variable: str) -> Any:
        return self.pull(variable)[variable]

    def __setitem__(self, variable: str, value: object) -> None:
        self.push(**{variable: value})

    def __delitem__(self, variable: str) -> None:
        _check_names([variable])
        try:
            self._run(f"del {variable}")
        except NameError:
            raise VariableNotFoundError(
                f"Session {self.name!r} has no variable {variable!r}."
            ) from None

    def __contains__(self, variable: object) -> bool:
        return variable in tuple(self)

    def __iter__(self) -> Iterator[str]:
        """Yields the names of its variables, sorted; without those that begin with `_`."""
        return iter(self._run("").names)

    def push(self, **variables: object) -> None:
        """Sets variables.

        Raises:
            ValueEncodingError: one cannot be sent; the message says which part of it.
        """
        _check_names(variables)
        self._run("", inputs=variables)

    def pull(self, *names: str, trust_results: bool = False) -> dict[str, Any]:
        """Returns variables by name.

        With `trust_results`, what the codec does not carry comes as a pickle, and code of the
        worker's may run in this process.

        Raises:
            VariableNotFoundError: there is none of a name; it is a KeyError too.
            UnsendableResultError: one cannot be sent; the message says which part of it.
        """
        _check_names(names)
        reply = self._run("", returns=names, trust_results=trust_results)
        for name in reply.unsent:
            error = unsent_error(reply, name, trusted=trust_results)
            raise type(error)(f"Session {self.name!r}, {error.message}")
        return dict(reply.returns)

    def exec(self, code: str, /, **options: Any) -> Any:
        """Runs code as a cell of this session and prints what it prints.

        Options and value are those of `Pool.exec`.

        Raises:
            ToolError: the code raised; also of the builtin type that it raised.
            SnakepitError: it did not run, or not to its end.
        """
        return self._pool.exec(code, **self._place(), **options)

    def exec_async(self, code: str, /, **options: Any) -> BackgroundCell:
        """As `exec`, but returns at once: a future, which can be awaited, with that value."""
        return self._pool.exec_async(code, **self._place(), **options)

    def call(self, tool: str, /, **more: Any) -> Any:
        """Runs a tool on the session's worker; arguments and errors as `Pool.call`."""
        return self._pool.call(tool, session=self.name, **more)

    def expose(self, function: Callable[..., Any], /, *, name: str = "") -> None:
        """Lets the code of this session, and no other, call a function; it goes with the session.

        Raises:
            UsageError: its name cannot be a tool's, or the session has one of that name.
        """
        self._pool.expose_to(self.name, function, name=name)

    def end(self) -> None:
        """Lets the session go."""
        self._pool.end_session(self.name)

    def _place(self) -> dict[str, Any]:
        return {"session": self.name}

    def _request(self, code: str, **details: Any) -> CellRequest:
        return CellRequest(code=code, session=self.name, store_history=False, **details)

    def _run(self, code: str, **details: Any) -> CellReply:
        reply = self._pool.run_request(self._request(code, **details))
        if reply.error is not None:
            raise cell_failure(reply.error)
        return reply


class WorkerSession(Session):
    """A worker's own variables, as `-t` has them. They live as long as the worker."""

    def __init__(self, worker: str, pool: SessionPool) -> None:
        super().__init__(WORKER_SESSION_PREFIX + worker, pool)
        self.worker = worker

    def call(self, tool: str, /, **more: Any) -> Any:
        """Runs a tool on this worker; arguments and errors as `Pool.call`."""
        with self._pool.lease(self._pool.worker_id(self.worker)) as lease:
            return lease.call(tool, **more)

    def _place(self) -> dict[str, Any]:
        return {"targets": self.worker}

    def _request(self, code: str, **details: Any) -> CellRequest:
        targets = parse_targets(self.worker)
        return CellRequest(code=code, targets=targets, store_history=False, **details)


def _check_names(names: "Mapping[str, object] | tuple[str, ...] | list[str]") -> None:
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"{name!r} is no name of a variable.")
