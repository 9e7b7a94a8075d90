"""How many chunks of a map travel together."""

import pytest

from snakepit_nb.blocking.pace import (
    GROWTH,
    IDEAL_SECONDS,
    MOST_CHUNKS,
    REMEMBERED_PACES,
    WORTH_SECONDS,
    Pace,
    Paces,
)


def known(seconds: float, chunks: int = MOST_CHUNKS) -> Pace:
    """The pace of a function of which so many chunks took so long each."""
    pace = Paces().of(b"function")
    pace.note(chunks * seconds, chunks)
    return pace


def test_chunks_that_nobody_knows_travel_alone() -> None:
    assert Paces().of(b"function").chunks(waiting=1000, capacity=1) == 1


@pytest.mark.parametrize(
    ("seconds", "waiting", "capacity", "chunks"),
    [
        (1.0, 1000, 1, 1),  # slow ones alone, however many there are
        (0.001, 1000, 2, round(IDEAL_SECONDS / 0.001)),  # never long
        (0.001, 40, 2, 10),  # fairly cut
        (0.001, 4, 2, round(WORTH_SECONDS / 0.001)),  # but not finer than a call is worth
        (0.0, 10_000, 2, MOST_CHUNKS),  # nor many, however quick
    ],
)
def test_quick_chunks_travel_together(
    seconds: float, waiting: int, capacity: int, chunks: int
) -> None:
    assert known(seconds).chunks(waiting, capacity) == chunks


def test_few_that_were_quick_do_not_speak_for_many() -> None:
    pace = known(0.0001, chunks=1)
    assert pace.chunks(waiting=1000, capacity=2) == GROWTH
    pace.note(0.0001, 1)
    assert pace.chunks(waiting=1000, capacity=2) == 2 * GROWTH

    pace.note(0.0018, 18)
    assert pace.chunks(waiting=1000, capacity=2) == MOST_CHUNKS


def test_a_pace_is_known_once_as_much_has_ended_as_is_worth_a_call() -> None:
    assert [known(0.0001, chunks).is_known for chunks in (1, 19, 21)] == [False, False, True]
    assert known(WORTH_SECONDS, chunks=1).is_known


def test_the_pace_of_a_function_is_known_to_its_next_map() -> None:
    paces = Paces()
    paces.of(b"one").note(0.001, 1)
    assert paces.of(b"one").chunks(100, 1) > 1
    for number in range(REMEMBERED_PACES):
        paces.of(b"%d" % number).note(1, 1)
    assert paces.of(b"one").chunks(100, 1) == 1
