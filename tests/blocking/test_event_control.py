"""What a user may say of the workers' events."""

import threading
from itertools import count
from typing import Any

import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.event_control import changed_control
from snakepit_nb.errors import UsageError
from snakepit_nb.observations import EventControl
from snakepit_nb.telemetry import bus
from snakepit_nb.telemetry.events import Event

NOTHING: dict[str, Any] = dict.fromkeys(("enabled", "sampling", "sampled", "allow", "deny"))


def test_what_is_not_given_stays() -> None:
    before = EventControl(enabled=False, sampling=0.5, sampled=("s",), allow=("a",), deny=("d",))

    assert changed_control(before, **NOTHING) == before
    changed = changed_control(before, **{**NOTHING, "allow": [], "enabled": True})
    assert changed == EventControl(sampling=0.5, sampled=("s",), deny=("d",))


@pytest.mark.parametrize(("given", "taken"), [(-3, 0.0), (0.25, 0.25), (7, 1.0)])
def test_a_share_is_clamped(given: float, taken: float) -> None:
    changed = changed_control(EventControl(), **{**NOTHING, "sampling": given})

    assert changed.sampling == taken


@pytest.mark.parametrize(
    ("option", "value"),
    [("sampling", float("nan")), ("sampling", "half"), ("allow", "tool.*"), ("deny", [1])],
    ids=repr,
)
def test_what_makes_no_sense_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option):
        changed_control(EventControl(), **{**NOTHING, option: value})


@pytest.mark.process
@pytest.mark.timeout(60)
def test_workers_tell_what_the_pool_lets_them_to_who_listens() -> None:
    heard: list[str] = []
    arrived = threading.Condition()

    def hear(event: Event) -> None:
        with arrived:
            heard.append(event.name)
            arrived.notify()

    def both_told(number: int, pool: snakepit.Pool) -> bool:
        """Tells two events, the allowed one last, and whether both came."""
        names = (f"other.n{number}", f"told.n{number}")
        code = "".join(f"emit_event({name!r});" for name in names)
        pool.run_cell(f"from snakepit_nb.worker import emit_event\n{code}", session="s")
        with arrived:
            assert arrived.wait_for(lambda: f"worker.{names[1]}" in heard, timeout=5)
            return f"worker.{names[0]}" in heard

    end = bus.on("worker.*", hear)
    with snakepit.start(workers=1, name="told") as pool:
        assert both_told(0, pool)
        control = pool.telemetry(allow=["told.*"])
        assert control == pool.telemetry() == EventControl(allow=("told.*",))
        numbers = count(1)
        while both_told(next(numbers), pool):
            pass  # until the control has arrived
    end()
