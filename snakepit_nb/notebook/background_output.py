"""Shows what a cell puts out in its own cell of the notebook, whatever runs there meanwhile."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.cell_outcome import Outcome, error_of, values_of
from snakepit_nb.blocking.cell_plan import CellPlan
from snakepit_nb.blocking.grouped_output import Grouped
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import (
    CellError,
    CellEvent,
    CellReply,
    CommMessage,
    Display,
)

from .cell_options import CellOptions
from .comm_bridge import comm_bridge
from .display import show_event
from .error_lines import rendered
from .event_messages import message_of
from .requests import request_of


class BackgroundOutput:
    """The audience of one cell; made while that cell is the one that the kernel runs."""

    def __init__(
        self, shell: InteractiveShell, options: CellOptions, plan: CellPlan, pool: Pool
    ) -> None:
        self._shell = shell
        self._pool = pool
        self._bridge = comm_bridge(shell)
        self._bridge.listen(pool)
        self._parent = request_of(shell)
        self._bridge.late.hold(self._parent)
        self._options = options
        self._plan = plan
        self._publish = publisher(shell)
        names = plan.names if plan.are_many else ()
        self._grouped = Grouped(names, options.grouping, self._publish)
        self._has_told_error = False

    def show(self, number: int, event: CellEvent | None) -> None:
        """Shows something of one call; None: it has ended."""
        if isinstance(event, CommMessage):
            if self._parent:
                self._bridge.say(event, self._pool, self._parent)
            return
        if isinstance(event, CellError):
            self._has_told_error = True
        elif event is not None and self._options.quiet:
            return
        self._grouped.show(number, event)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Brings the variables that were asked for, and shows the error, if there is one."""
        try:
            self._finish(outcomes)
        finally:
            self._bridge.late.release(self._parent)

    def _finish(self, outcomes: Sequence[Outcome]) -> None:
        self._grouped.finish()
        if not outcomes:
            return
        self._shell.user_ns.update(values_of(self._plan, outcomes))
        for outcome in outcomes:
            if isinstance(outcome, CellReply):
                self._show_pages(outcome)
        error = self._error(outcomes)
        if error is not None:
            self._publish(error)

    def _error(self, outcomes: Sequence[Outcome]) -> CellError | None:
        first = outcomes[0]
        if not self._plan.are_many and isinstance(first, CellReply) and first.error is not None:
            if first.error.traceback or first.error.is_usage:
                return first.error
            if self._has_told_error:
                return None
        error = error_of(self._plan, outcomes)
        if error is None:
            return None
        return CellError(
            name=type(error).__name__, value=str(error), traceback=tuple(rendered(error))
        )

    def _show_pages(self, reply: CellReply) -> None:
        """Shows what the front end would have shown in its pager, which a reply would open."""
        for payload in reply.payload:
            if payload.get("source") == "page" and not self._options.quiet:
                self._publish(Display(data=payload.get("data", {})))


def publisher(shell: InteractiveShell) -> Callable[[CellEvent], None]:
    """Returns what shows something in the cell that runs now, from any thread, also later.

    A message belongs to the cell whose request is its parent. ipykernel chooses that by thread or
    by context, each version in its own way; sent by the session, it is what we say.
    """
    kernel: Any = getattr(shell, "kernel", None)
    if kernel is None or getattr(kernel, "iopub_socket", None) is None:
        return partial(show_event, shell)
    parent = shell.get_parent()  # type: ignore[attr-defined]  # a kernel's shell has it

    def publish(event: CellEvent) -> None:
        message = message_of(event)
        if message is None:
            return
        kind, content = message
        kernel.session.send(
            kernel.iopub_socket,
            kind,
            content,
            parent=parent,
            ident=kernel._topic(kind),  # noqa: SLF001 (no other way to say whose it is)
        )

    return publish
