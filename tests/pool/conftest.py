"""The pool shares its loop with all others: here a test fails where the pool blocks."""

import gc
from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_other_tests_is_left() -> None:
    """A gRPC channel takes a lock when it is collected, and that may be anywhere."""
    gc.collect()


@pytest.fixture(autouse=True)
def _pool_does_not_block() -> Iterator[None]:
    with blockbuster_ctx(["snakepit_nb.pool", "snakepit_nb.scheduling"]) as watched:
        watched.functions["os.getcwd"].can_block_in("launch_spec.py", "launch_spec")  # it is quick
        yield
