"""What a task on the portal thread hands to a thread that waits for it, piece by piece."""

import queue
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import anyio

from .portal import portal

T = TypeVar("T")
R = TypeVar("R")

PIECES_AHEAD = 256


@dataclass(frozen=True, slots=True)
class _End(Generic[R]):
    result: R | None
    error: BaseException | None


class Delivery(Generic[T, R]):
    """Runs `work` on the portal thread: iterating yields what it puts, `result` what it returns.

    Work that runs ahead of its reader waits.
    """

    def __init__(self, work: Callable[[Callable[[T], Awaitable[None]]], Awaitable[R]]) -> None:
        self._pieces: queue.SimpleQueue[T | _End[R]] = queue.SimpleQueue()
        self._end: _End[R] | None = None
        self._started = portal().start_soon(partial(self._run, work))

    def __iter__(self) -> Iterator[T]:
        while self._end is None:
            piece = self._pieces.get()
            if isinstance(piece, _End):
                self._end = piece
            else:
                yield piece

    @property
    def result(self) -> R:
        """What the work returned, once the iteration has ended.

        Raises: what the work raised.
        """
        assert self._end is not None  # noqa: S101 (our own mistake)
        if self._end.error is not None:
            raise self._end.error
        return self._end.result  # type: ignore[return-value]  # an R where there is no error

    def cancel(self) -> None:
        """Cancels the work, from any thread; the iteration ends at once."""
        self._started.cancel()
        self._pieces.put(_End(None, KeyboardInterrupt()))

    async def _run(self, work: Callable[[Callable[[T], Awaitable[None]]], Awaitable[R]]) -> None:
        try:
            end = _End(await work(self._put), None)
        except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
            end = _End(None, error)
        self._pieces.put(end)

    async def _put(self, piece: T) -> None:
        self._pieces.put(piece)
        while self._pieces.qsize() > PIECES_AHEAD:  # noqa: ASYNC110 (the reader is a thread)
            await anyio.sleep(0.01)
