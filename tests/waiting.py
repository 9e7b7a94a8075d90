"""Waits for what nobody tells of: what threads and processes do, and what lies in files."""

import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.lowlevel

WITHIN = 15.0
WITHIN_ASYNC = 5.0
"""Seconds, which is far more than anything here should take."""
LOOKING_SECONDS = 0.002

T = TypeVar("T")


def until(condition: Callable[[], T], *, within: float = WITHIN) -> T:
    """Returns what the condition says, once that is true."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(LOOKING_SECONDS)
    return found


async def until_async(condition: Callable[[], object], *, within: float = WITHIN_ASYNC) -> None:
    """Returns once the condition is true; the loop goes on meanwhile."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.lowlevel.checkpoint()
