"""When a call is run again whose worker was lost."""

import pytest

from snakepit_nb.errors import Progress
from snakepit_nb.identifiers import worker_id
from snakepit_nb.scheduling.retry import (
    BUDGET,
    BUDGET_PER_CALL,
    MOST_ATTEMPTS,
    NoRetry,
    Retry,
    RetryBudget,
    decide,
)

NOT, STARTED, FINISHED, UNKNOWN = (
    Progress.NOT_STARTED,
    Progress.STARTED,
    Progress.FINISHED,
    Progress.UNKNOWN,
)


@pytest.mark.parametrize(
    ("lost", "is_idempotent", "expected"),
    [
        ([NOT], False, Retry(delay=0.0)),
        ([NOT, NOT], False, Retry(delay=0.2)),
        ([NOT, NOT, NOT, NOT], False, Retry(delay=0.4)),
        ([NOT] * MOST_ATTEMPTS, True, NoRetry.ATTEMPTS),
        ([STARTED], False, NoRetry.NOT_IDEMPOTENT),
        ([FINISHED], False, NoRetry.NOT_IDEMPOTENT),
        ([UNKNOWN], False, NoRetry.NOT_IDEMPOTENT),
        ([STARTED], True, Retry(delay=0.1)),
        ([FINISHED], True, Retry(delay=0.1)),
        ([UNKNOWN], True, Retry(delay=0.1)),
        ([NOT, STARTED], True, Retry(delay=0.2)),
        ([STARTED, NOT], True, Retry(delay=0.2)),
        ([STARTED, STARTED], True, NoRetry.TWO_CRASHES),
        ([STARTED, NOT, UNKNOWN], True, NoRetry.TWO_CRASHES),
    ],
)
def test_what_becomes_of_a_call(
    lost: list[Progress], *, is_idempotent: bool, expected: Retry | NoRetry
) -> None:
    decision = decide(
        lost, is_idempotent=is_idempotent, is_partly_told=False, seconds_left=None, chance=0.5
    )

    assert decision == expected


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0.075), (0.5, 0.1), (1.0, 0.125)])
def test_the_delay_is_changed_at_random(chance: float, delay: float) -> None:
    decision = decide(
        [STARTED], is_idempotent=True, is_partly_told=False, seconds_left=None, chance=chance
    )

    assert isinstance(decision, Retry)
    assert decision.delay == pytest.approx(delay)


def test_what_the_caller_has_seen_in_part_does_not_begin_again() -> None:
    decision = decide(
        [STARTED], is_idempotent=True, is_partly_told=True, seconds_left=None, chance=0.5
    )

    assert decision is NoRetry.PARTLY_TOLD


@pytest.mark.parametrize(("left", "is_tried"), [(0.2, True), (0.05, False), (-1.0, False)])
def test_no_call_is_run_again_after_its_time(left: float, *, is_tried: bool) -> None:
    decision = decide(
        [STARTED], is_idempotent=True, is_partly_told=False, seconds_left=left, chance=0.5
    )

    assert decision == (Retry(delay=0.1) if is_tried else NoRetry.NO_TIME)


def test_the_budget_is_never_exceeded_and_is_earned_by_calls_that_end_well() -> None:
    budget = RetryBudget()
    taken = sum(budget.take(worker_id(place, 0)) for place in range(100))
    for _ in range(round(1 / BUDGET_PER_CALL)):
        budget.note_success()

    assert taken == BUDGET
    assert budget.take(worker_id(200, 0))
    assert not budget.take(worker_id(201, 0))
    assert budget.take(worker_id(200, 0))  # it is paid for, whatever else it ran
    for _ in range(1000):
        budget.note_success()
    assert budget.left == BUDGET
