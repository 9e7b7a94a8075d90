"""What a user may say of the workers' events."""

import threading
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
    heard: list[Event] = []
    came = threading.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        if event.name == "worker.told.of_it":
            came.set()

    end = bus.on("worker.*", hear)
    with snakepit.start(workers=1, name="told") as pool:
        pool.telemetry(allow=["told.*"])
        while not came.is_set():  # a control takes its way
            for name in ("not_told", "told.of_it"):
                pool.run_cell(
                    f"from snakepit_nb.worker import emit_event; emit_event({name!r})", session="s"
                )
            bus.flush()
        heard.clear()
        came.clear()
        pool.run_cell("emit_event('not_told'); emit_event('told.of_it')", session="s")
        assert came.wait(5)
        assert pool.telemetry() == EventControl(allow=("told.*",))
    end()

    assert {event.name for event in heard} == {"worker.told.of_it"}
    assert heard[0].metadata["pool"] == "told"
