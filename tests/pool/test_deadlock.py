"""Which call can never run."""

from snakepit_nb.identifiers import CallId
from snakepit_nb.pool.deadlock import find_stuck

A, B, C, D = (CallId(name) for name in "abcd")


def test_a_call_is_stuck_that_waits_for_the_one_that_waits_for_it() -> None:
    assert find_stuck({B: [A]}, {B: {A}}) == B


def test_a_call_is_not_stuck_while_another_may_end() -> None:
    assert find_stuck({B: [A]}, {B: {A, C}}) is None


def test_a_call_is_not_stuck_that_may_run_anywhere_else() -> None:
    assert find_stuck({B: [A]}, {B: None}) is None
    assert find_stuck({}, {}) is None


def test_of_calls_that_are_stuck_together_the_last_one_is_told() -> None:
    """A and C hold a worker each; B waits on behalf of A, D of C."""
    assert find_stuck({B: [A], D: [C]}, {B: {A, C}, D: {A, C}}) == D


def test_all_that_wait_for_a_call_are_held_up_with_it() -> None:
    """A asks for B, which runs and asks for C."""
    assert find_stuck({C: [A, B]}, {C: {A, B}}) == C
