"""The pool shares its loop with all others: here a test fails where the pool blocks."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def _pool_does_not_block() -> Iterator[None]:
    with blockbuster_ctx(["snakepit_nb.pool", "snakepit_nb.scheduling"]) as watched:
        watched.functions["os.getcwd"].can_block_in("launch_spec.py", "launch_spec")  # it is quick
        yield
