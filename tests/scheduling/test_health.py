"""What missed heartbeats mean, and when a worker has served long enough."""

import pytest

from snakepit_nb.scheduling.health import Heartbeats, Illness, ProcessLook
from snakepit_nb.scheduling.recycling import Lifetime
from snakepit_nb.scheduling.restarts import WINDOW_SECONDS, Restarts


def look(cpu_seconds: float = 0.0, *, is_stopped: bool = False) -> ProcessLook:
    return ProcessLook(is_stopped=is_stopped, cpu_seconds=cpu_seconds, memory=0)


def missed(*looks: ProcessLook | None) -> Heartbeats:
    """Returns heartbeats of which these were missed, one every two seconds."""
    beats = Heartbeats(limit=3, answered_at=0.0)
    for number, seen in enumerate(looks, start=1):
        beats.note_miss(seen, 2.0 * number)
    return beats


def test_few_misses_are_no_illness_and_an_answer_begins_anew() -> None:
    beats = missed(look(), look())
    assert beats.illness is None

    beats.note_answer(5.0)
    beats.note_miss(look(), 7.0)

    assert beats.illness is None


@pytest.mark.parametrize(
    ("looks", "illness"),
    [
        ((look(), look(), look(is_stopped=True)), Illness.FROZEN),
        ((look(0), look(2), look(4)), Illness.NATIVE),
        ((look(0), look(0), look(0.1)), Illness.STUCK),
        ((None, None, None), Illness.STUCK),
    ],
)
def test_the_look_tells_what_is_wrong(
    looks: tuple[ProcessLook | None, ...], illness: Illness
) -> None:
    assert missed(*looks).illness is illness


@pytest.mark.parametrize(
    ("looks", "is_busy", "now", "is_hopeless"),
    [
        ((look(), look(), look()), True, 59.0, False),
        ((look(), look(), look()), True, 60.0, True),
        ((look(), look(), look()), False, 9.0, False),
        ((look(), look(), look()), False, 10.0, True),
        ((look(0), look(2), look(4)), True, 65.0, False),
        ((look(0), look(2), look(4)), True, 66.0, True),
        ((look(0), look(2), look(4), look(4)), True, 65.0, False),
        ((look(0), look(2), look(4)), False, 10.0, True),
        ((look(), look()), True, 1000.0, False),
    ],
)
def test_who_is_waited_for_and_how_long(
    looks: tuple[ProcessLook, ...], *, is_busy: bool, now: float, is_hopeless: bool
) -> None:
    beats = missed(*looks)

    assert beats.is_hopeless(now, is_busy=is_busy, busy=60.0, idle=10.0) is is_hopeless


@pytest.mark.parametrize(
    ("served", "words"),
    [
        ({"age": 10, "calls": 1, "memory": 10}, ""),
        ({"age": 60, "calls": 1, "memory": 10}, "it has served for 60 s"),
        ({"age": 10, "calls": 1000, "memory": 10}, "it has served 1,000 calls"),
        ({"age": 99, "calls": 1000, "memory": 5 << 30}, "it holds 5,120 MiB of memory"),
    ],
)
def test_a_lifetime_ends_by_its_first_limit(served: dict[str, int], words: str) -> None:
    lifetime = Lifetime(age=60.0, calls=1000, memory=float(2 << 30))

    assert lifetime.is_over(**served) == words
    assert Lifetime().is_over(**served) == ""


@pytest.mark.parametrize(
    ("chance", "age", "calls", "memory"),
    [(0.0, 90, 900, 1000), (0.5, 100, 1000, 950), (1.0, 110, 1100, 900)],
)
def test_limits_are_changed_at_random_and_memory_never_upwards(
    chance: float, age: float, calls: int, memory: float
) -> None:
    changed = Lifetime(age=100.0, calls=1000, memory=1000.0).with_jitter(chance)

    assert (changed.age, changed.memory) == pytest.approx((age, memory))
    assert changed.calls == calls


def test_a_place_may_have_as_many_restarts_as_the_limit_within_the_window() -> None:
    restarts = Restarts(limit=2)

    assert [restarts.note(0, now) for now in (0.0, 1.0, 2.0)] == [0, 0, 3]
    assert restarts.note(1, 3.0) == 0
    assert restarts.note(0, 1.0 + WINDOW_SECONDS) == 0
    restarts.forget()
    assert restarts.note(0, 1.0 + WINDOW_SECONDS) == 0


def test_without_a_limit_there_is_no_end_of_restarts() -> None:
    assert {Restarts(limit=None).note(0, 0.0) for _ in range(100)} == {0}
