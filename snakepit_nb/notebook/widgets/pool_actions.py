"""What can be done to a pool from its panel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from snakepit_nb.blocking.handle import Pool

from .status_view import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that may take its time."""

    words: str
    """What is being done."""
    run: Callable[[], str]
    """Does it, and returns what came of it."""


def action_of(pool: Pool, wanted: Mapping[str, Any]) -> Action | None:
    """Reads what the front end wants; None: it makes no sense."""
    match wanted:
        case {"action": "restart", "worker": str(worker)}:
            return _restart(pool, worker, now=wanted.get("now") is True)
        case {"action": "drain", "worker": str(worker)}:
            return _drain(pool, worker)
        case {"action": "scale", "workers": int(workers)}:
            return _scale(pool, workers)
        case {"action": "cancel", "call": str(call)}:
            return _cancel(pool, call)
        case _:
            return None


def _restart(pool: Pool, worker: str, *, now: bool) -> Action:
    def run() -> str:
        pool.restart(worker, now=now)
        return f"Another worker is in the place of {worker}."

    words = f"{worker} is killed." if now else f"{worker} ends after its calls."
    return Action(words=words, run=run)


def _drain(pool: Pool, worker: str) -> Action:
    def run() -> str:
        pool.drain(worker)
        return f"{worker} takes no more calls, and ends after those that it runs."

    return Action(words=f"{worker} is drained.", run=run)


def _scale(pool: Pool, workers: int) -> Action:
    def run() -> str:
        pool.resize(workers)
        return f"The pool has {counted(workers, 'worker')}."

    return Action(words=f"The pool shall have {counted(workers, 'worker')}.", run=run)


def _cancel(pool: Pool, call: str) -> Action:
    def run() -> str:
        return "The call is cancelled." if pool.cancel(call) else "The call had ended."

    return Action(words="The call is being cancelled.", run=run)
