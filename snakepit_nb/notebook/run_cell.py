"""`%%snakepit_exec`: one cell of the notebook, run by a worker and shown as the kernel's own."""

from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError as LineError
from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.face import pool
from snakepit_nb.calls import CellEvent, CellReply
from snakepit_nb.errors import CallCancelledError, UsageError, nearest
from snakepit_nb.wire.failures import cell_failure

from .cell_options import CellOptions
from .display import show_event

NOTEBOOK_SESSION = "notebook"


def run_notebook_cell(shell: InteractiveShell, options: CellOptions, code: str) -> None:
    """Runs the code where the options say, shows what it shows, and fails as it fails.

    Raises:
        UsageError: the options do not fit the notebook.
        CellFailedError: the code raised.
        KeyboardInterrupt: it was interrupted while it waited for its worker.
        SnakepitError: it did not run, or not to its end.
    """
    request = _request_content(shell)
    try:
        reply = pool(options.pool).run_cell(
            code,
            session=None if options.targets else options.session or NOTEBOOK_SESSION,
            show=_ignore if options.quiet else lambda event: show_event(shell, event),
            timeout=options.timeout,
            correlation_id=options.correlation_id,
            execution_count=getattr(shell.displayhook, "prompt_count", 0),
            store_history=bool(request.get("store_history", True)),
            inputs=_inputs(shell, options.inputs),
            returns=options.returns,
        )
    except CallCancelledError:
        raise KeyboardInterrupt("interrupted while the cell waited for its worker") from None
    payloads: Any = shell.payload_manager
    for payload in reply.payload:
        payloads.write_payload(dict(payload), single=False)
    _finish(shell, reply)


def _finish(shell: InteractiveShell, reply: CellReply) -> None:
    if reply.error is not None and reply.error.is_usage:
        raise LineError(reply.error.value)
    if reply.error is not None:
        raise cell_failure(reply.error)
    shell.user_ns.update(reply.returns)
    for name, reason in reply.unsent.items():
        raise UsageError(f"--return {name}: {reason}.")


def _inputs(shell: InteractiveShell, names: tuple[str, ...]) -> dict[str, object]:
    for name in names:
        if name not in shell.user_ns:
            known = [known for known in shell.user_ns if known not in shell.user_ns_hidden]
            raise UsageError(
                f"--in {name}: the notebook has no variable of this name: {nearest(name, known)}"
            )
    return {name: shell.user_ns[name] for name in names}


def _request_content(shell: InteractiveShell) -> Mapping[str, Any]:
    """Returns what the front end's execute request says; a terminal has none."""
    get_parent = getattr(shell, "get_parent", None)
    return {} if get_parent is None else (get_parent() or {}).get("content", {})


def _ignore(_event: CellEvent) -> None:
    """Shows nothing."""
