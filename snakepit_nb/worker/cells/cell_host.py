"""Runs cells, each in its session's shell, on the thread that the cell's service has chosen."""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from snakepit_nb.calls import (
    NO_SUCH_VARIABLE,
    CellCall,
    CellEvent,
    CellReply,
    CodePosition,
    CommDelivery,
    CommMessage,
    Completion,
    InputReply,
    InputRequest,
    LateOutput,
    MimeBundle,
)
from snakepit_nb.identifiers import SessionId
from snakepit_nb.settings import Profile
from snakepit_nb.worker.runner import Runner
from snakepit_nb.worker.typing_in import TypingIn
from snakepit_nb.worker.variables import user_names

from .alone import Alone
from .comms import Comms, PutBeside
from .kernel import use_our_debugger
from .questions import completions_of, inspection_of
from .session import Session, Surroundings
from .shell import PutEvent, discard, new_shell
from .side_by_side import SideBySide


class CellHost:
    """The sessions of one worker."""

    def __init__(self, runner: Runner, put_beside: PutBeside) -> None:
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        use_our_debugger()
        self._runner = runner
        self._surroundings: Surroundings = (
            SideBySide() if runner.profile is Profile.THREAD else Alone(runner)
        )
        self.comms = Comms(lambda: self._surroundings.current, put_beside)
        self._put_beside = put_beside
        self._kept: list[Session] = []  # of cells that have ended, for the sake of their comms
        self._sessions: dict[SessionId, Session] = {}
        self._making = threading.Lock()  # IPython's lists of its shells are not made for threads

    async def run(
        self,
        cell: CellCall,
        inputs: Callable[[], Mapping[str, object]],
        put: PutEvent,
        typing_in: TypingIn,
    ) -> CellReply:
        """Runs one cell, puts out what it shows, and returns how it ended."""
        session = self._enter(cell)
        ask = partial(_ask, session, typing_in)
        session.shell.kernel.let_ask(ask, is_allowed=cell.allow_stdin)
        session.showing.begin(self._lasting(put, cell.parent))
        try:
            session.shell.user_ns.update(inputs())
            result = await self._run_code(session, cell)
            self._surroundings.drain()
            return _reply(session, cell, result)
        finally:
            self._surroundings.leave()
            session.showing.end()
            if cell.session_id is None:
                self._discard_soon(session)

    def drain(self) -> None:
        """Lets go what the running code has written."""
        self._surroundings.drain()

    def hear(self, delivery: CommDelivery, put: PutEvent) -> None:
        """Hands a comm's message to the code that it calls back; puts out what that shows."""
        session = self.comms.session_of(delivery.message)
        if session is None:
            return
        with (
            session.showing.aside(self._lasting(put, delivery.parent)),
            self._surroundings.aside(session),
        ):
            shell, before = session.shell, session.shell.get_parent()
            shell.set_parent(json.loads(delivery.parent))
            self.comms.install()
            try:
                with self._runner.beside(delivery.call_id):
                    self.comms.hear(delivery)
                self._surroundings.show_figures(session)
            finally:
                self._surroundings.drain()
                shell.set_parent(before)

    def complete(self, position: CodePosition) -> list[Completion]:
        """Completes code of a session; on another thread than the session's."""
        session = self._sessions.get(position.session_id)
        return [] if session is None else completions_of(session.shell, position)

    def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells what a name of a session means; on another thread than the session's."""
        session = self._sessions.get(position.session_id)
        return None if session is None else inspection_of(session.shell, position)

    def forget(self, session_id: SessionId) -> bool:
        """Lets a session's shell go, with its variables; tells whether there was one."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self.comms.close(session)
            self._discard(session)
        return session is not None

    async def _run_code(self, session: Session, cell: CellCall) -> Any:
        """Runs the code as ipykernel does code that awaits; code that does not runs in one go."""
        shell = session.shell
        preprocessing_error = None
        try:
            transformed = shell.transform_cell(cell.code)
        except Exception:  # noqa: BLE001 (it travels to whoever waits)
            transformed, preprocessing_error = cell.code, sys.exc_info()
        shell.forget_traceback()
        is_silent = bool(shell.get_parent()["content"].get("silent"))
        result = None
        try:
            result = await shell.run_cell_async(
                cell.code,
                store_history=cell.store_history,
                silent=is_silent,
                transformed_cell=transformed,
                preprocessing_exc_tuple=preprocessing_error,
            )
        finally:
            self._surroundings.show_figures(session)
            shell.events.trigger("post_execute")
            if not is_silent:
                shell.events.trigger("post_run_cell", result)
        return result

    def _enter(self, cell: CellCall) -> Session:
        """Makes the surroundings the session's, and the cell what its shell answers to."""
        session = None if cell.session_id is None else self._sessions.get(cell.session_id)
        if session is None:
            session = self._new_session(cell.session_id)
            if cell.session_id is not None:
                self._sessions[cell.session_id] = session
        self._surroundings.enter(session)
        self.comms.install()
        shell = session.shell
        shell.set_parent(_parent(cell))
        if cell.execution_count:
            # Where IPython does not count a cell, it shows the number before its next one.
            ahead = 0 if cell.store_history else shell.shows_count_behind
            shell.execution_count = cell.execution_count + ahead
        return session

    def _new_session(self, session_id: SessionId | None) -> Session:
        showing = self._surroundings.new_showing()
        with self._making:
            shell = new_shell(showing.event, lambda: self._runner.was_interrupted)
        return Session(session_id=session_id, shell=shell, showing=showing)

    def _lasting(self, put: PutEvent, parent: bytes) -> PutEvent:
        """Returns a `put` that takes also what tasks and threads show when their cell has ended."""

        def put_or_late(event: CellEvent) -> bool:
            if put(event):
                return True
            if not parent or isinstance(event, InputRequest | CommMessage):
                return False
            return self._put_beside(LateOutput(parent=parent, event=event))

        return put_or_late

    def _discard_soon(self, session: Session) -> None:
        """Lets a cell's own session go, or when its last widget is closed."""
        self._kept.append(session)
        for kept in tuple(self._kept):
            if not self.comms.has_open(kept):
                self._kept.remove(kept)
                self._discard(kept)

    def _discard(self, session: Session) -> None:
        with self._making:
            discard(session.shell)


def _ask(session: Session, typing_in: TypingIn, prompt: str, is_password: bool) -> InputReply:  # noqa: FBT001 (ipykernel's)
    return typing_in.ask(prompt, is_password=is_password, put=session.showing.event)


def _parent(cell: CellCall) -> dict[str, Any]:
    """Returns the message of the front end that the cell answers to, or one in its place."""
    header = {"msg_id": cell.call_id, "msg_type": "execute_request"}
    parent: dict[str, Any] = {"header": header, "metadata": {}, "content": {}}
    if cell.parent:
        parent = json.loads(cell.parent)
    asked = {"store_history": cell.store_history, "allow_stdin": cell.allow_stdin}
    parent["content"] = {"code": cell.code, **parent.get("content", {}), **asked}
    return parent


def _reply(session: Session, cell: CellCall, result: Any) -> CellReply:
    shell = session.shell
    error = session.showing.error_of(shell, result.error_before_exec or result.error_in_exec)
    namespace = shell.user_ns
    payloads: Any = shell.payload_manager
    payload = tuple(payloads.read_payload())
    payloads.clear_payload()
    returns = () if error is not None else cell.returns
    return CellReply(
        execution_count=shell.execution_count - 1,
        error=error,
        returns={name: namespace[name] for name in returns if name in namespace},
        unsent={name: NO_SUCH_VARIABLE for name in returns if name not in namespace},
        payload=payload,
        names=() if cell.session_id is None else user_names(namespace, shell.user_ns_hidden),
    )
