"""The rules find faults: each of these is planted in the scheduler, and must be found."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from snakepit_nb.scheduling.affinity import SessionTable
from snakepit_nb.scheduling.bookings import Bookings
from snakepit_nb.scheduling.placement import Placement
from snakepit_nb.scheduling.queue import CallQueue
from snakepit_nb.scheduling.roster import Roster, Worker
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.scheduling.turns import Turns

from .test_scheduler_rules import PoolMachine

pytestmark = pytest.mark.slow

SEARCH = settings(
    max_examples=2000,
    stateful_step_count=50,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # found is enough: no need of the shortest story
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def one_room_too_many(worker: Worker) -> bool:
    return worker.state == "ready" and worker.load <= worker.capacity


def one_at_most(fill: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """One queued call for each rise of capacity, as the original does."""

    @wraps(fill)
    def faulty(self: Bookings, worker: Worker, now: float) -> list[Any]:
        limit = worker.capacity
        worker.capacity = min(limit, worker.load + 1)
        try:
            return fill(self, worker, now)
        finally:
            worker.capacity = limit

    return faulty


def nothing(*_: object, **__: object) -> None:
    return None


def no_decisions(*_: object, **__: object) -> list[Any]:
    return []


FAULTS: dict[str, tuple[type, str, Any]] = {
    "a worker takes one call too many": (Worker, "has_room", property(one_room_too_many)),
    "one waiting call for each rise of capacity": (
        Bookings,
        "fill",
        one_at_most(Bookings.fill),
    ),
    "a new worker does not look at the queue": (Bookings, "fill", no_decisions),
    "a strict session moves": (SessionTable, "settle", nothing),
    "what waits for the same session is not pinned": (CallQueue, "pin", nothing),
    "a lost session is not told": (SessionTable, "take_loss", nothing),
    "sessions of a lost worker keep their home": (SessionTable, "lose", nothing),
    "a session that is called does expire": (SessionTable, "begin_call", nothing),
    "leases by hand are not counted apart": (
        Placement,
        "is_only_for_manual",
        lambda _self, _worker: False,
    ),
    "a worker that only runs what was given up lives on": (
        Worker,
        "is_only_abandoned",
        property(lambda _: False),
    ),
    "two cells of a session at once": (Turns, "is_taken", lambda *_: False),
    "the turn of a session's next cell never comes": (Turns, "leave", nothing),
    "a lost worker is not replaced": (Scheduler, "_match_size", no_decisions),
    "a draining worker is open": (Roster, "set_draining", nothing),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_rules_find(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, planted = FAULTS[fault]
    monkeypatch.setattr(owner, name, planted)

    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever rule it breaks first)
        run_state_machine_as_test(PoolMachine, settings=SEARCH)
