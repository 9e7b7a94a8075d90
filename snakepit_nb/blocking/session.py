"""A session by hand: code and variables that stay in one worker."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from snakepit_nb.calls import CellReply
from snakepit_nb.errors import UnsendableResultError
from snakepit_nb.wire.failures import cell_failure


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

    def run_cell(self, code: str, *, session: str | None, **details: Any) -> CellReply:
        """Runs a cell."""

    def end_session(self, name: str) -> None:
        """Lets a session go."""


class Session:
    """One session of a pool; behind a `with` it is ended."""

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
        reply = self._run("", returns=(variable,))
        if variable in reply.unsent:
            raise UnsendableResultError(
                f"Session {self.name!r}, variable {variable!r}: {reply.unsent[variable]}."
            )
        return reply.returns[variable]

    def __setitem__(self, variable: str, value: object) -> None:
        self._run("", inputs={variable: value})

    def exec(self, code: str, *, timeout: float | None = None) -> None:
        """Runs code as a cell of this session and prints what it prints.

        Raises:
            ToolError: the code raised; also of the builtin type that it raised.
            SnakepitError: it did not run, or not to its end.
        """
        self._run(code, timeout=timeout, allow_stdin=True)

    def call(self, tool: str, /, **more: Any) -> Any:
        """Runs a tool on the session's worker; arguments and errors as `Pool.call`."""
        return self._pool.call(tool, session=self.name, **more)

    def end(self) -> None:
        """Lets the session go."""
        self._pool.end_session(self.name)

    def _run(self, code: str, **details: Any) -> CellReply:
        reply = self._pool.run_cell(code, session=self.name, **details)
        if reply.error is not None:
            raise cell_failure(reply.error)
        return reply
