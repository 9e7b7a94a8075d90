"""As `tests.waiting`, with the patience that ends and starts of processes take."""

from collections.abc import Callable
from typing import TypeVar

from tests import waiting

T = TypeVar("T")


def until(condition: Callable[[], T], *, within: float = 30.0) -> T:
    """Returns what the condition says, once that is true."""
    return waiting.until(condition, within=within)
