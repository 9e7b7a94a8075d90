"""Runs cells, each in its session's shell. All of it happens on the worker's main thread."""

import builtins
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_nb.calls import CellCall, CellError, CellEvent, CellReply, StreamText
from snakepit_nb.identifiers import SessionId
from snakepit_nb.worker.main_thread import MainThread

from .shell import PutEvent, ZMQInteractiveShell, discard, new_shell
from .streams import OutputCapture


class CellHost:
    """The sessions of one worker."""

    def __init__(self, main_thread: MainThread) -> None:
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        self._main_thread = main_thread
        self._shells: dict[SessionId, ZMQInteractiveShell] = {}
        self._capture = OutputCapture(main_thread.uninterrupted)
        self._capture.install()
        self._put: PutEvent | None = None
        self._error: CellError | None = None  # the last one, where it is not put out yet
        self._shown_error: CellError | None = None  # the last one that was put out

    async def run(
        self, cell: CellCall, inputs: Callable[[], Mapping[str, object]], put: PutEvent
    ) -> CellReply:
        """Runs one cell, puts out what it shows, and returns how it ended."""
        shell = self._enter(cell)
        self._put, self._error, self._shown_error = put, None, None
        self._capture.sink = self._put_text
        try:
            shell.user_ns.update(inputs())
            result = await self._run_code(shell, cell)
            self._capture.drain()
            return self._reply(shell, cell, result)
        finally:
            self._capture.sink = self._put = None
            if cell.session_id is None:
                discard(shell)

    def forget(self, session_id: SessionId) -> bool:
        """Lets a session's shell go, with its variables; tells whether there was one."""
        shell = self._shells.pop(session_id, None)
        if shell is not None:
            discard(shell)
        return shell is not None

    async def _run_code(self, shell: ZMQInteractiveShell, cell: CellCall) -> Any:
        """Runs the code as ipykernel does code that awaits; code that does not runs in one go."""
        preprocessing_error = None
        try:
            transformed = shell.transform_cell(cell.code)
        except Exception:  # noqa: BLE001 (it travels to whoever waits)
            transformed, preprocessing_error = cell.code, sys.exc_info()
        shell.forget_traceback()
        result = None
        try:
            result = await shell.run_cell_async(
                cell.code,
                store_history=cell.store_history,
                transformed_cell=transformed,
                preprocessing_exc_tuple=preprocessing_error,
            )
        finally:
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        return result

    def _enter(self, cell: CellCall) -> ZMQInteractiveShell:
        """Makes the session's shell the one that `get_ipython` and `__main__` mean."""
        shell = None if cell.session_id is None else self._shells.get(cell.session_id)
        if shell is None:
            shell = new_shell(self._put_event, lambda: self._main_thread.was_interrupted)
            if cell.session_id is not None:
                self._shells[cell.session_id] = shell
        for cls in type(shell)._walk_mro():
            cls._instance = shell  # type: ignore[assignment]
        sys.modules["__main__"] = shell.user_module
        builtins.get_ipython = shell.get_ipython  # type: ignore[attr-defined]
        shell.set_parent(
            {
                "header": {"msg_id": cell.call_id, "msg_type": "execute_request"},
                "metadata": {},
                "content": {"store_history": cell.store_history, "allow_stdin": False},
            }
        )
        if cell.execution_count:
            # Where IPython does not count a cell, it shows the number before its next one.
            ahead = 0 if cell.store_history else shell.shows_count_behind
            shell.execution_count = cell.execution_count + ahead
        return shell

    def _put_text(self, name: str, text: str) -> None:
        self._put_now(StreamText(name=name, text=text))

    def _put_event(self, event: CellEvent) -> None:
        self._capture.drain()
        if isinstance(event, CellError):
            self._flush_error()
            self._error = event  # the last one may be the cell's own, which the reply carries
        else:
            self._put_now(event)

    def _put_now(self, event: CellEvent) -> None:
        self._flush_error()
        if self._put is not None:
            self._put(event)

    def _flush_error(self) -> None:
        error, self._error = self._error, None
        if error is not None and self._put is not None:
            self._put(error)
            self._shown_error = error

    def _reply(self, shell: ZMQInteractiveShell, cell: CellCall, result: Any) -> CellReply:
        error = self._cell_error(shell, result.error_before_exec or result.error_in_exec)
        namespace = shell.user_ns
        payloads: Any = shell.payload_manager
        payload = tuple(payloads.read_payload())
        payloads.clear_payload()
        returns = () if error is not None else cell.returns
        return CellReply(
            execution_count=shell.execution_count - 1,
            error=error,
            returns={name: namespace[name] for name in returns if name in namespace},
            unsent={
                name: "the session has no variable of this name"
                for name in returns
                if name not in namespace
            },
            payload=payload,
        )

    def _cell_error(
        self, shell: ZMQInteractiveShell, failure: BaseException | None
    ) -> CellError | None:
        """Returns the error that ends the cell; without a traceback where all of it is shown."""
        last = self._error
        if failure is not None and last is not None and (last.traceback or last.is_usage):
            return last
        self._flush_error()
        if failure is not None:
            return CellError(name=type(failure).__name__, value=_text(failure), traceback=())
        shown = self._shown_error
        if shown is not None and shell.failed_to_display:
            return CellError(name=shown.name, value=shown.value, traceback=())
        return None


def _text(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 (user code)
        return ""
