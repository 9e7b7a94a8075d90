"""What one or several workers made of a cell: values by name, or one error."""

from collections.abc import Sequence
from typing import Any

from snakepit_nb.calls import NO_SUCH_VARIABLE, CellReply
from snakepit_nb.errors import (
    SnakepitError,
    UnsendableResultError,
    VariableNotFoundError,
    WorkersFailedError,
    nearest,
)
from snakepit_nb.wire.failures import cell_failure

from .cell_plan import CellPlan

Outcome = CellReply | SnakepitError
"""A worker's reply, or why there is none."""


def values_of(plan: CellPlan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Returns the variables that came back, by name; where there are many, of each by worker."""
    replies = {
        name: outcome
        for name, outcome in zip(plan.names, outcomes, strict=True)
        if isinstance(outcome, CellReply)
    }
    if not plan.are_many:
        return {name: value for reply in replies.values() for name, value in reply.returns.items()}
    values: dict[str, Any] = {name: {} for name in plan.request.returns}
    for worker, reply in replies.items():
        for name, value in reply.returns.items():
            values[name][worker] = value
    return {name: by_worker for name, by_worker in values.items() if by_worker}


def error_of(plan: CellPlan, outcomes: Sequence[Outcome]) -> Exception | None:
    """Returns what the cell failed by, if it did; where there are many, a group of all."""
    errors = {
        name: error
        for name, outcome in zip(plan.names, outcomes, strict=True)
        if (error := _error(outcome, trusted=plan.trusts_results)) is not None
    }
    if not plan.are_many:
        return next(iter(errors.values()), None)
    if not errors:
        return None
    of = f"{len(errors)} of {len(outcomes)} workers"
    return WorkersFailedError(f"the cell failed on {of}: {', '.join(errors)}", errors)


def unsent_error(reply: CellReply, name: str, *, trusted: bool) -> SnakepitError:
    """Makes the error for a variable that did not come back."""
    words = unsent_words(reply, name, trusted=trusted)
    is_missing = reply.unsent[name] == NO_SUCH_VARIABLE
    error = VariableNotFoundError if is_missing else UnsendableResultError
    return error(f"variable {name!r}: {words}")


def unsent_words(reply: CellReply, name: str, *, trusted: bool) -> str:
    """Words why a variable did not come back, and by what switch it might."""
    reason = reply.unsent[name]
    if reason == NO_SUCH_VARIABLE:
        return f"{reason}: {nearest(name, reply.names)}"
    if trusted:
        return reason
    return (
        f"{reason} To let the kernel unpickle what its workers send: --trust-results, or "
        "trust_results=True."
    )


def _error(outcome: Outcome, *, trusted: bool) -> Exception | None:
    if not isinstance(outcome, CellReply):
        return outcome
    if outcome.error is not None:
        return cell_failure(outcome.error)
    for name in outcome.unsent:
        return unsent_error(outcome, name, trusted=trusted)
    return None
