"""What the calls of the last minute come to."""

import pytest

from snakepit_nb.pool.recent import Recent, RecentCalls


def of(*calls: tuple[float, float], since: float = 0.0) -> RecentCalls:
    """Notes calls, each with when it ended and how long it took."""
    recent = RecentCalls(since)
    for ended, took in calls:
        recent.note(took, ended)
    return recent


def test_calls_are_counted_over_the_last_minute_only() -> None:
    recent = of(*[(5.0, 1.0)] * 120, *[(100.0 + second, 1.0) for second in range(30)])

    assert recent.look(130.0).per_second == 30 / 60
    assert recent.look(200.0) == Recent()


def test_a_pool_that_is_young_is_not_measured_by_a_minute() -> None:
    assert of((9.5, 0.1), (10.0, 0.1), since=8.0).look(10.0).per_second == 1.0


def test_durations_that_are_alike_are_told_as_they_are() -> None:
    look = of(*[(1.0, 0.25)] * 10).look(2.0)

    assert (look.median, look.slow) == (0.25, 0.25)


def test_the_median_and_the_slow_are_told_apart_to_a_tenth() -> None:
    look = of(*[(number / 100, number / 1000) for number in range(1, 1001)]).look(11.0)

    assert look.median == pytest.approx(0.5, rel=0.1)
    assert look.slow == pytest.approx(0.95, rel=0.1)


def test_what_took_no_time_or_very_long_is_counted_too() -> None:
    look = of((1.0, 0.0), (1.0, 1e6)).look(2.0)

    assert (look.median, look.slow) == (0.0, 1e6)


def test_what_is_kept_does_not_grow_with_the_calls() -> None:
    recent = of(*[(second, 0.001) for second in range(1000) for _ in range(100)])

    assert len(recent._seconds) == 60
    assert all(len(each.classes) == 1 for each in recent._seconds)
