from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_nb.notebook.widgets.timeline import Axis, Stretch, Where, timeline, where
from snakepit_nb.observations import Part

from .making_traces import span

MOMENTS = st.integers(0, 30)
PLACES = st.sampled_from([*Where, None])


def stretch(begun: int, ended: int, place: Where | None = Where.CODE) -> Stretch:
    return Stretch(begun=begun, ended=ended, where=place)


def test_of_what_goes_on_at_once_the_innermost_has_the_time() -> None:
    laid = timeline(
        [
            stretch(0, 100, Where.POOL),
            stretch(0, 20, Where.QUEUE),
            stretch(20, 90, Where.WAY),
            stretch(30, 80, Where.WORKER),
            stretch(40, 70, Where.CODE),
        ]
    )

    assert [(each.begun, each.where) for each in laid] == [
        (0, Where.QUEUE),
        (20, Where.WAY),
        (30, Where.WORKER),
        (40, Where.CODE),
        (70, Where.WORKER),
        (80, Where.WAY),
        (90, Where.POOL),
    ]


def test_what_is_told_elsewhere_hides_what_lies_under_it() -> None:
    laid = timeline([stretch(0, 10, Where.KERNEL), stretch(2, 5, None), stretch(3, 4)])

    assert laid == (stretch(0, 2, Where.KERNEL), stretch(5, 10, Where.KERNEL))


@given(st.lists(st.builds(stretch, MOMENTS, MOMENTS, PLACES)))
def test_each_moment_has_the_place_of_the_highest_rank_there(stretches: list[Stretch]) -> None:
    ranks: list[Where | None] = [*Where, None]

    laid = timeline(stretches)

    for at in range(30):
        here = [ranks.index(each.where) for each in stretches if each.begun <= at < each.ended]
        top = ranks[max(here)] if here else None
        found = [each.where for each in laid if each.begun <= at < each.ended]
        assert found == ([] if top is None else [top])


@given(st.lists(st.builds(stretch, MOMENTS, MOMENTS, PLACES)))
def test_no_two_neighbours_of_a_timeline_are_alike(stretches: list[Stretch]) -> None:
    laid = timeline(stretches)

    assert all(one.ended <= other.begun for one, other in pairwise(laid))
    assert not any(
        (one.ended, one.where) == (other.begun, other.where) for one, other in pairwise(laid)
    )


def test_an_axis_leaves_out_the_time_in_which_nothing_went_on() -> None:
    axis = Axis([stretch(0, 10), stretch(5, 20), stretch(1000, 1020)])

    assert axis.length == 40
    assert [axis.fraction(at) for at in (-5, 0, 10, 20, 500, 1000, 1010, 1020, 9999)] == [
        *(0.0, 0.0, 0.25, 0.5, 0.5, 0.5, 0.75, 1.0, 1.0)
    ]


def test_an_axis_without_length_has_one_place() -> None:
    assert Axis([]).fraction(7) == Axis([stretch(7, 7)]).fraction(9) == 0.0


@pytest.mark.parametrize("part", Part)
def test_each_part_has_its_place(part: Part) -> None:
    assert where(span(part, "x", (0, 1))) in Where


def test_spans_of_user_code_count_as_the_code_of_where_they_are() -> None:
    assert where(span(None, "read", (0, 1), worker="w0")) is Where.CODE
    assert where(span(None, "read", (0, 1))) is Where.KERNEL
