"""Large arguments and results of functions: through shared memory, and each its owner's."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

BIG = np.arange(200_000.0)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(name="large", workers=2, trust_results=True) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(pool: Pool) -> Iterator[None]:
    yield
    assert pool.status().workers
    (guardian,) = psutil.Process().children()
    for directory in guardian.cmdline()[6:]:
        assert not [each.name for each in Path(directory).iterdir() if "-" in each.name]


def test_functions_take_and_give_large_arrays(pool: Pool) -> None:
    def add(given: Any, *, plus: Any) -> Any:  # noqa: ANN401
        return given + plus

    answer = pool.submit(add, BIG, plus=BIG).result()

    np.testing.assert_array_equal(answer, 2 * BIG)
    answer += 1


def test_an_argument_is_the_functions_own(pool: Pool) -> None:
    def change(given: Any) -> tuple[bool, Any]:  # noqa: ANN401
        given += 1
        return given.flags.writeable, given

    is_writeable, answer = pool.submit(change, BIG).result()

    assert is_writeable
    np.testing.assert_array_equal(answer, BIG + 1)


def test_what_becomes_of_an_argument_later_does_not_matter(pool: Pool) -> None:
    given = BIG.copy()
    futures = []
    for number in range(8):
        given[:] = number
        futures.append(pool.submit(np.max, given))

    assert [future.result() for future in futures] == list(range(8))


def test_a_map_takes_and_gives_large_arrays(pool: Pool) -> None:
    offset = BIG.copy()
    arrays = [BIG * number for number in range(12)]

    answers = list(pool.map(lambda array: array + offset, arrays, chunksize=3))

    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, BIG * number + BIG)


def test_large_results_of_any_type_come_back_where_they_are_trusted(pool: Pool) -> None:
    def make() -> tuple[Callable[[], Any], Any]:
        local = BIG.copy()
        return (lambda: local), os.getpid

    found, other = pool.submit(make).result()

    assert other is os.getpid
    np.testing.assert_array_equal(found(), BIG)


def test_nothing_is_left_of_what_fails_or_is_cancelled(pool: Pool) -> None:
    failed = pool.submit(lambda array: 1 / (array.size - BIG.size), BIG)
    with pytest.raises(ZeroDivisionError):
        failed.result()
    futures = [pool.submit(np.sort, BIG) for _ in range(20)]
    for future in futures:
        future.cancel()
    pool.submit(len, BIG).result()
    pool.submit(len, BIG).result()
    # Both may have run on one worker, while what was cancelled on the other ends.
    until(lambda: all(worker.state == "idle" for worker in pool.status().workers))
