"""Runs what blocks for a moment beside the loop, as long as that can be."""

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

T = TypeVar("T")


async def off_loop(function: Callable[[], T]) -> T:
    """Runs a function on a thread, and returns or raises what it does.

    From Python 3.12 on, an interpreter that ends starts no thread any more, also where `atexit`
    has pools to stop. There the function runs on the loop, which nothing else needs by then.
    """
    has_begun = False

    def run() -> T:
        nonlocal has_begun
        has_begun = True
        return function()

    try:
        return await anyio.to_thread.run_sync(run)
    except RuntimeError:
        if has_begun:
            raise
        return function()
