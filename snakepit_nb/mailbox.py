"""Callbacks from any thread to one event loop, which is woken once for many of them."""

from collections import deque
from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token


class Mailbox:
    """What is posted runs on the loop, in order. Waking a loop costs more than most callbacks."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_awake = False

    def post(self, callback: Callable[[], object]) -> None:
        """Lets the loop call back soon, from any thread.

        Raises: what waking the loop raises, where that has ended.
        """
        self._waiting.append(callback)
        if not self._is_awake:
            self._wake()

    def post_with_others(
        self, callback: Callable[[], object], later: Callable[[Callable[[], None]], object]
    ) -> None:
        """As `post`, but the loop is woken `later`, once for all that comes until then.

        Raises: nothing. What `later` is to call raises as `post` does.
        """
        self._waiting.append(callback)
        if not self._is_awake:
            self._is_awake = True
            later(self._wake)

    def _wake(self) -> None:
        try:
            self._is_awake = True  # before it is called: it may deliver at once
            self._call_soon(self._deliver)
        except BaseException:
            self._is_awake = False
            raise

    def _deliver(self) -> None:
        self._is_awake = False  # before the look: what is posted behind it wakes the loop again
        try:
            while self._waiting:
                self._waiting.popleft()()
        finally:
            if self._waiting and not self._is_awake:  # a callback raised
                self._wake()


def waking_here() -> Callable[[Callable[[], None]], object]:
    """Returns what lets the running loop, asyncio's or trio's, call back from any thread."""
    loop: Any = current_token().native_token
    by_asyncio: Callable[[Callable[[], None]], object] | None
    by_asyncio = getattr(loop, "call_soon_threadsafe", None)
    return by_asyncio or loop.run_sync_soon  # type: ignore[no-any-return]
