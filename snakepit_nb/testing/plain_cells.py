"""Cells without IPython: plain `exec` with top-level `await`; printed text is put out."""

import ast
import builtins
import io
import re
import traceback
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from snakepit_nb.calls import (
    CellCall,
    CellError,
    CellEvent,
    CellReply,
    CodePosition,
    Completion,
    MimeBundle,
    StreamText,
)
from snakepit_nb.identifiers import SessionId
from snakepit_nb.worker.variables import user_names

PutNow = Callable[[CellEvent], object]


def _refuse(_prompt: object = "") -> str:
    """Stands for `input`, which would block the loop that is to bring the answer."""
    message = "raw_input was called, but this frontend does not support input requests."
    raise StdinNotImplementedError(message)


class StdinNotImplementedError(NotImplementedError):
    """What IPython raises where nobody can answer."""


@dataclass(slots=True)
class _Session:
    namespace: dict[str, Any] = field(
        default_factory=lambda: {
            "__name__": "__main__",
            "__builtins__": {**vars(builtins), "input": _refuse},
        }
    )
    cells: int = 0


class PlainCells:
    """The sessions of one in-process worker."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, _Session] = {}

    async def run(
        self, cell: CellCall, inputs: Callable[[], Mapping[str, object]], put: PutNow
    ) -> CellReply:
        """Runs one cell, puts out what it prints, and returns how it ended."""
        session = _Session()
        if cell.session_id is not None:
            session = self._sessions.setdefault(cell.session_id, session)
        session.cells += 1
        namespace = session.namespace
        returns, error = cell.returns, None
        try:
            namespace.update(inputs())
            await _stepwise(_executed(cell.code, namespace), put)
        except Exception as raised:  # noqa: BLE001 (it travels to whoever waits)
            returns, error = (), cell_error(raised)
        return CellReply(
            execution_count=cell.execution_count or session.cells,
            error=error,
            returns={name: namespace[name] for name in returns if name in namespace},
            unsent={
                name: "the session has no variable of this name"
                for name in returns
                if name not in namespace
            },
            names=() if cell.session_id is None else user_names(namespace, {}),
        )

    def complete(self, position: CodePosition) -> list[Completion]:
        """Completes a variable's name."""
        names = getattr(self._sessions.get(position.session_id), "namespace", {})
        begun = re.search(r"\w*$", position.code[: position.cursor])
        start = position.cursor if begun is None else begun.start()
        word = position.code[start : position.cursor]
        return [
            Completion(start=start, end=position.cursor, text=name)
            for name in sorted(names)
            if name.startswith(word)
        ]

    def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells a variable's value."""
        names = getattr(self._sessions.get(position.session_id), "namespace", {})
        word = re.search(r"\w*$", position.code[: position.cursor])
        if word is None or word[0] not in names:
            return None
        return {"text/plain": repr(names[word[0]])}

    def forget(self, session_id: SessionId) -> bool:
        """Lets a session's variables go; tells whether there were any."""
        return self._sessions.pop(session_id, None) is not None


def cell_error(error: BaseException) -> CellError:
    """Words what ended a cell."""
    return CellError(
        name=type(error).__name__,
        value=str(error),
        traceback=tuple("".join(traceback.format_exception(error)).splitlines()),
    )


async def _executed(source: str, namespace: dict[str, Any]) -> None:
    code = compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    returned = types.FunctionType(code, namespace)()
    if returned is not None:  # the code awaits
        await returned


@types.coroutine
def _stepwise(work: Coroutine[Any, Any, None], put: PutNow) -> Generator[Any, Any, None]:
    """Runs `work` and captures what it prints, but not what others print while it waits."""
    out, err = (cast("Any", _Printed(name, put)) for name in ("stdout", "stderr"))
    resume: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            with redirect_stdout(out), redirect_stderr(err):
                waits_for = resume()
        except StopIteration:
            return
        try:
            resume = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001 (a cancellation too is the cell's)
            resume = partial(work.throw, error)


class _Printed(io.TextIOBase):
    def __init__(self, name: str, put: PutNow) -> None:
        self._name = name
        self._put = put

    def write(self, text: str) -> int:
        if text:
            self._put(StreamText(name=self._name, text=text))
        return len(text)
