"""The future of a function that runs, or will run, in a worker."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
            with self._waited_for():
                while not self.done():
                    await bell.rung()
        except BaseException:
            self.cancel()
            raise
        return self.result()

    def _waited_for(self) -> AbstractContextManager[None]:
        """Surrounds each wait for it."""
        return nullcontext()

    def _state_in_words(self) -> str:
        if not self.done():
            return "runs" if self.running() else "waits"
        if self.cancelled():
            return "was cancelled"
        error = self.exception()
        return "is done" if error is None else f"raised {type(error).__name__}"


class WatchedFuture(CallFuture[T]):
    """One that a host tool has made: while somebody waits for it, so do the calls behind that."""

    def __init__(
        self,
        what: str,
        correlation_id: CorrelationId,
        runs_now: Callable[[], bool],
        on_wait: Callable[[], object],
    ) -> None:
        super().__init__(what, correlation_id, runs_now)
        self._on_wait = on_wait
        self._waiting = 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it now."""
        return self._waiting > 0

    def result(self, timeout: float | None = None) -> T:
        """Returns the value, once there is one, or raises what came of it."""
        with self._waited_for():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Returns what it raised, once it is done."""
        with self._waited_for():
            return super().exception(timeout)

    @contextmanager
    def _waited_for(self) -> Iterator[None]:
        self._waiting += 1
        self._on_wait()
        try:
            yield
        finally:
            self._waiting -= 1
