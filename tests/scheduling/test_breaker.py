"""Circuit breakers, on a clock of the test's."""

from snakepit_nb.identifiers import worker_id
from snakepit_nb.scheduling.breaker import Breakers, Circuit


def opened(breakers: Breakers, now: float = 0.0) -> None:
    for _ in range(2):
        assert breakers.admit("embed", now) == 0.0
        breakers.settle("embed", failed=True, now=now)


def test_it_opens_at_the_limit_and_says_for_how_long() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    breakers.settle("embed", failed=True, now=0.0)
    assert breakers.admit("embed", 1.0) == 0.0
    assert breakers.settle("embed", failed=True, now=1.0) is Circuit.OPEN

    assert breakers.admit("embed", 11.0) == 20.0
    assert breakers.admit("other", 11.0) == 0.0
    assert breakers.not_closed(11.0) == {"embed": Circuit.OPEN}


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    for failed in (True, False, True):
        assert breakers.settle("embed", failed=failed, now=0.0) is None

    assert breakers.state_of("embed", 0.0) is Circuit.CLOSED


def test_after_its_time_exactly_one_call_passes_and_its_success_closes_it() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    opened(breakers)

    assert breakers.state_of("embed", 30.0) is Circuit.HALF_OPEN
    assert [breakers.admit("embed", 30.0) for _ in range(3)] == [0.0, 30.0, 30.0]
    assert breakers.settle("embed", failed=False, now=31.0) is Circuit.CLOSED
    assert breakers.admit("embed", 31.0) == 0.0


def test_the_failure_of_the_one_call_opens_it_again() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    opened(breakers)
    breakers.admit("embed", 30.0)

    assert breakers.settle("embed", failed=True, now=40.0) is Circuit.OPEN
    assert breakers.admit("embed", 41.0) == 29.0


def test_a_probe_that_tells_nothing_gives_its_permit_back() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    opened(breakers)
    breakers.admit("embed", 30.0)

    assert breakers.settle("embed", failed=None, now=31.0) is None
    assert breakers.admit("embed", 31.0) == 0.0


def test_calls_that_ran_already_do_not_open_it_twice() -> None:
    breakers = Breakers(limit=2, seconds=30.0)
    opened(breakers)

    assert breakers.settle("embed", failed=True, now=10.0) is None
    assert breakers.admit("embed", 30.0) == 0.0


def test_the_loss_of_a_worker_is_one_failure_however_many_calls_it_ran() -> None:
    breakers = Breakers(limit=3, seconds=30.0)
    for _ in range(20):
        for place in (0, 1):  # at the same time, so that their calls end by turns
            lost = worker_id(place, 0)
            assert breakers.settle("embed", failed=True, now=0.0, lost=lost) is None

    assert breakers.settle("embed", failed=True, now=0.0, lost=worker_id(2, 0)) is Circuit.OPEN


def test_without_a_limit_none_opens() -> None:
    breakers = Breakers(limit=None, seconds=30.0)
    for _ in range(100):
        breakers.settle("embed", failed=True, now=0.0)

    assert breakers.not_closed(0.0) == {}
