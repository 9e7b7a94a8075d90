"""`%%snakepit_exec`: one cell of the notebook, run by a worker and shown as the kernel's own."""

from dataclasses import replace
from typing import Any, NoReturn

from IPython.core.error import UsageError as LineError
from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.face import pool
from snakepit_nb.calls import CellError, CellEvent, CommMessage
from snakepit_nb.errors import CallCancelledError, UsageError, nearest
from snakepit_nb.wire.failures import cell_failure

from .cell_options import CellOptions
from .comm_bridge import comm_bridge
from .display import fail_without_a_word
from .requests import parent_without_code, request_of

NOTEBOOK_SESSION = "notebook"


def run_notebook_cell(shell: InteractiveShell, options: CellOptions, code: str) -> None:
    """Runs the code where the options say, shows what it shows, and fails as it fails.

    Raises:
        UsageError: the options do not fit the notebook.
        CellFailedError: the code raised.
        KeyboardInterrupt: it was interrupted while it waited for its worker.
        SnakepitError: it did not run, or not to its end.
    """
    request = request_of(shell)
    content = request.get("content", {})
    shown: list[CellError] = []

    def show(event: CellEvent) -> None:
        if isinstance(event, CellError):
            shown.append(event)
        elif options.quiet and not isinstance(event, CommMessage):
            return
        bridge.show(event, chosen)

    chosen, bridge = pool(options.pool), comm_bridge(shell)
    session = None if options.targets else options.session or NOTEBOOK_SESSION
    try:
        with bridge.running(chosen, code):
            reply = chosen.run_cell(
                code,
                session=session,
                keeps_session=session == NOTEBOOK_SESSION,
                show=show,
                timeout=options.timeout,
                correlation_id=options.correlation_id,
                is_idempotent=options.idempotent,
                allow_stdin=bool(content.get("allow_stdin", True)),
                parent=parent_without_code(request),
                execution_count=getattr(shell.displayhook, "prompt_count", 0),
                store_history=bool(content.get("store_history", True))
                and not content.get("silent"),
                inputs=_inputs(shell, options.inputs),
                returns=options.returns,
            )
    except CallCancelledError:
        raise KeyboardInterrupt("interrupted while the cell waited for its worker") from None
    payloads: Any = shell.payload_manager
    for payload in reply.payload:
        payloads.write_payload(dict(payload), single=False)
    if reply.error is not None:
        _fail(shell, reply.error, untold=options.quiet and not shown)
    shell.user_ns.update(reply.returns)
    for name, reason in reply.unsent.items():
        raise UsageError(f"--return {name}: {reason}.")


def _fail(shell: InteractiveShell, error: CellError, *, untold: bool) -> NoReturn:
    """Fails as the code did. An error without a traceback is told already, unless `untold`."""
    if error.is_usage:
        raise LineError(error.value)
    if error.traceback:
        raise cell_failure(error)
    if untold:
        raise cell_failure(replace(error, traceback=(f"{error.name}: {error.value}",)))
    failure = cell_failure(error)
    fail_without_a_word(shell, failure)
    raise failure


def _inputs(shell: InteractiveShell, names: tuple[str, ...]) -> dict[str, object]:
    for name in names:
        if name not in shell.user_ns:
            known = [known for known in shell.user_ns if known not in shell.user_ns_hidden]
            raise UsageError(
                f"--in {name}: the notebook has no variable of this name: {nearest(name, known)}"
            )
    return {name: shell.user_ns[name] for name in names}
