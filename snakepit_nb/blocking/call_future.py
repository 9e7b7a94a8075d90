"""The future of a function that runs, or will run, in a worker."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, TypeVar

from snakepit_nb.identifiers import CorrelationId

from .portal_task import Bell

T = TypeVar("T")


class CallFuture(Future[T]):
    """As every Future; it can also be awaited, on asyncio and trio.

    `cancel` works until it is done: a call that waits is taken out, one that runs is interrupted.
    Callbacks run on the thread that serves all pools: they must not block.
    """

    # To its base class it is pending until it is done, so that it can be cancelled while it runs.

    def __init__(
        self, what: str, correlation_id: CorrelationId, runs_now: Callable[[], bool]
    ) -> None:
        super().__init__()
        self.correlation_id = correlation_id
        self._what = what
        self._runs_now = runs_now

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._what} {self._state_in_words()} [{self.correlation_id}]>"
        )

    def __await__(self) -> Generator[Any, None, T]:
        return self._awaited().__await__()

    def running(self) -> bool:
        """Tells whether it has a worker now."""
        return not self.done() and self._runs_now()

    async def _awaited(self) -> T:
        bell = Bell()
        self.add_done_callback(lambda _: bell.ring())
        try:
            while not self.done():
                await bell.rung()
        except BaseException:
            self.cancel()
            raise
        return self.result()

    def _state_in_words(self) -> str:
        if not self.done():
            return "runs" if self.running() else "waits"
        if self.cancelled():
            return "was cancelled"
        error = self.exception()
        return "is done" if error is None else f"raised {type(error).__name__}"
