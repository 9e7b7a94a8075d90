"""The scheduler's refusals in the user's words."""

from typing import assert_never

from snakepit_nb.errors import (
    DeadlockError,
    PoolError,
    PoolSaturatedError,
    SessionBusyError,
    SessionLostError,
    SessionQuotaError,
    SnakepitError,
)
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.scheduling.decisions import (
    NoWorkers,
    QueueFull,
    Refusal,
    SessionBusy,
    SessionExpired,
    SessionLost,
    TooManySessions,
    WorkerGone,
)

from .pending_call import PendingCall

SHOWN_NAMES = 12


def refusal_error(
    reason: Refusal,
    *,
    pool: str,
    problems: tuple[str, ...],
    names: tuple[str, ...],
    correlation_id: CorrelationId,
) -> SnakepitError:
    """Words a refusal; `names` are the variables that the call's session had."""
    error, message = _worded(reason, pool, problems, names)
    return error(message, correlation_id=correlation_id)


def deadlock_error(call: PendingCall, *, pool: str) -> DeadlockError:
    """Words that a call could never run."""
    return DeadlockError(
        f"{call.what} was called by a host tool, and can never run: the workers of pool {pool!r} "
        "that could run it are held by calls that wait for it. Start more workers "
        "(%snakepit scale +1), or let the host tool call another pool or session.",
        correlation_id=call.correlation_id,
    )


def lost_words(names: tuple[str, ...]) -> str:
    """Words which variables are gone: `its variables (x, y)`."""
    if not names:
        return "its variables"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"its variables ({', '.join(names[:SHOWN_NAMES])}{more})"


def _worded(
    reason: Refusal, pool: str, problems: tuple[str, ...], names: tuple[str, ...]
) -> tuple[type[SnakepitError], str]:
    match reason:
        case QueueFull(size=size):
            return PoolSaturatedError, (
                f"Pool {pool!r}: {size} calls wait already. Wait for some of them, or start "
                "more workers: %snakepit scale +1."
            )
        case NoWorkers():
            why = f" The last problem: {problems[-1]}" if problems else ""
            return PoolError, (
                f"Pool {pool!r} has no worker left. Start one: %snakepit scale 1.{why}"
            )
        case WorkerGone(worker_id=worker):
            return PoolError, (
                f"Pool {pool!r} has no worker {worker} that takes calls. %snakepit status shows "
                "those that do."
            )
        case _:
            return _session_worded(reason, names)


def _session_worded(
    reason: SessionLost | SessionExpired | SessionBusy | TooManySessions, names: tuple[str, ...]
) -> tuple[type[SnakepitError], str]:
    match reason:
        case SessionLost(session_id=session, worker_id=worker):
            return SessionLostError, (
                f"Session {session!r}: its worker {worker} is gone, and {lost_words(names)} with "
                "it. Run its cells again from the first; the next one starts anew."
            )
        case SessionExpired(session_id=session, seconds=seconds):
            return SessionLostError, (
                f"Session {session!r} was not used for {seconds:g} s, and {lost_words(names)} were "
                "let go. Run its cells again from the first; the next one starts anew."
            )
        case SessionBusy(session_id=session, worker_id=worker):
            return SessionBusyError, (
                f"Session {session!r}: its worker {worker} is busy, and the call was not to wait. "
                "Try again later, or wait: affinity strict_queue."
            )
        case TooManySessions(limit=limit):
            return SessionQuotaError, (
                f"There are {limit} sessions with variables, and no more may be. End some: "
                "pool.session(name).end(). Or raise session_limit."
            )
        case _:
            assert_never(reason)
