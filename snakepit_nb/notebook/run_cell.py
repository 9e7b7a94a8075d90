"""`%%snakepit_exec`: one cell of the notebook, run by workers and shown as the kernel's own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NoReturn

from IPython.core.error import UsageError as LineError
from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.cell_outcome import Outcome, error_of, unsent_words, values_of
from snakepit_nb.blocking.cell_plan import CellPlan, CellRequest
from snakepit_nb.blocking.face import pool
from snakepit_nb.blocking.grouped_output import Grouped
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import CellError, CellEvent, CellReply, CommMessage
from snakepit_nb.errors import CallCancelledError, UsageError, WorkersFailedError
from snakepit_nb.wire.failures import cell_failure

from .background_output import BackgroundOutput
from .cell_options import CellOptions
from .comm_bridge import comm_bridge
from .display import fail_as_rendered, fail_without_a_word
from .error_lines import one_line_errors
from .requests import parent_without_code, request_of
from .variables import chosen_variables
from .widgets.cell_status import cell_status
from .widgets.view_model import cell_words


def run_notebook_cell(shell: InteractiveShell, options: CellOptions, code: str) -> object:
    """Runs the code where the options say, shows what it shows, and fails as it fails.

    Returns: the handle of a cell in the background for which the options have no name, else None.

    Raises:
        UsageError: the options do not fit the notebook.
        CellFailedError: the code raised; where several workers are meant, WorkersFailedError.
        KeyboardInterrupt: it was interrupted while it waited for its worker.
        SnakepitError: it did not run, or not to its end.
    """
    chosen = pool(options.pool)
    plan = chosen.plan(_request(shell, options, code))
    if options.background:
        return _start(shell, options, chosen, plan)
    try:
        with one_line_errors():
            _run(shell, options, chosen, plan)
    except LineError:
        raise
    except Exception as error:
        if options.raises or _is_interrupt(error):
            raise
        shell.showtraceback()
    return None


def _start(shell: InteractiveShell, options: CellOptions, chosen: Pool, plan: CellPlan) -> object:
    handle = chosen.start_planned(plan, BackgroundOutput(shell, options, plan, chosen))
    if options.out is None:
        return handle
    shell.user_ns[options.out] = handle
    return None


def _run(shell: InteractiveShell, options: CellOptions, chosen: Pool, plan: CellPlan) -> None:
    told: list[CellError] = []
    names = plan.names if plan.are_many else ()
    bridge = comm_bridge(shell)
    grouped = Grouped(names, options.grouping, lambda event: bridge.show(event, chosen))

    def show(number: int, event: CellEvent | None) -> None:
        if isinstance(event, CommMessage):
            bridge.show(event, chosen)
            return
        if isinstance(event, CellError):
            told.append(event)
        elif event is not None and options.quiet:
            return
        grouped.show(number, event)

    with bridge.running(chosen, plan.request.code), _status(shell, chosen, plan):
        outcomes = chosen.run_planned(plan, show)
    grouped.finish()
    if plan.are_many:
        _end_many(shell, plan, outcomes)
    else:
        _end(shell, plan, outcomes[0], untold=options.quiet and not told)


def _status(shell: InteractiveShell, chosen: Pool, plan: CellPlan) -> AbstractContextManager[None]:
    """Shows, on the page, that the cell runs."""
    session = "" if plan.request.targets is not None else plan.cells[0].session_id or ""
    return cell_status(
        getattr(shell, "kernel", None),
        request_of(shell),
        lambda: cell_words(chosen.places_of(plan), session),
        lambda: chosen.cancel_planned(plan),
    )


def _end(shell: InteractiveShell, plan: CellPlan, outcome: Outcome, *, untold: bool) -> None:
    if isinstance(outcome, CallCancelledError):
        raise KeyboardInterrupt("interrupted while the cell waited for its worker") from None
    if not isinstance(outcome, CellReply):
        raise outcome
    _write_payload(shell, outcome)
    if outcome.error is not None:
        _fail(shell, outcome.error, untold=untold)
    shell.user_ns.update(outcome.returns)
    for name in outcome.unsent:
        words = unsent_words(outcome, name, trusted=plan.trusts_results)
        raise UsageError(f"--return {name}: {words}")


def _end_many(shell: InteractiveShell, plan: CellPlan, outcomes: Sequence[Outcome]) -> None:
    shell.user_ns.update(values_of(plan, outcomes))
    for outcome in outcomes:
        if isinstance(outcome, CellReply):
            _write_payload(shell, outcome)
    error = error_of(plan, outcomes)
    if isinstance(error, WorkersFailedError):
        fail_as_rendered(shell, error)
        raise error


def _write_payload(shell: InteractiveShell, reply: CellReply) -> None:
    payloads: Any = shell.payload_manager
    for payload in reply.payload:
        payloads.write_payload(dict(payload), single=False)


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


def _is_interrupt(error: BaseException) -> bool:
    """Tells whether the user stopped the cell, and so does not want the next ones to run."""
    if isinstance(error, WorkersFailedError):
        return any(_is_interrupt(inner) for inner in error.exceptions)
    return type(error).__name__ == "KeyboardInterrupt"


def _request(shell: InteractiveShell, options: CellOptions, code: str) -> CellRequest:
    request = request_of(shell)
    content = request.get("content", {})
    return CellRequest(
        code=code,
        session=options.session,
        targets=options.targets,
        inputs=chosen_variables("--in", options.inputs, shell.user_ns, shell.user_ns_hidden),
        returns=options.returns,
        timeout=options.timeout,
        correlation_id=options.correlation_id,
        is_idempotent=options.idempotent,
        execution_count=getattr(shell.displayhook, "prompt_count", 0),
        store_history=bool(content.get("store_history", True)) and not content.get("silent"),
        # Who answers later what a cell in the background asks, would answer another cell.
        allow_stdin=bool(content.get("allow_stdin", True)) and not options.background,
        parent=parent_without_code(request),
        trust_results=options.trust_results,
    )
