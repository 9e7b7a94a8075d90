"""What a task on the portal thread hands to a thread that waits for it, piece by piece."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import anyio

from snakepit_nb.identifiers import CallId

from .errands import Errand, receiving
from .portal_task import PIECES_AHEAD, PortalTask

T = TypeVar("T")
R = TypeVar("R")


class _Mark(Enum):
    END = auto()


class Delivery(Generic[T, R]):
    """Runs `work` on the portal thread: iterating yields what it puts, `result` what it returns.

    Work that runs ahead of its reader waits.
    """

    def __init__(self, work: Callable[[Callable[[T], Awaitable[None]]], Awaitable[R]]) -> None:
        self._pieces: SimpleQueue[T | _Mark | Errand[Any]] = SimpleQueue()
        self._is_cancelled = False
        self._has_ended = False
        at_end = partial(self._pieces.put, _Mark.END)
        self._task = PortalTask(partial(work, self._put), at_end)

    def start(self) -> None:
        """Lets the work begin, once; the caller stands ready to `cancel` it."""
        self._task.start()

    def __iter__(self) -> Iterator[T]:
        while not self._has_ended:
            piece = self._pieces.get()
            if isinstance(piece, _Mark):
                self._has_ended = True
            elif isinstance(piece, Errand):
                piece.run()
            else:
                yield piece

    @contextmanager
    def receiving(self, call_ids: Sequence[CallId]) -> Iterator[None]:
        """Lets what calls ask of the notebook run in the iterating thread, within the `with`."""
        with receiving(call_ids, self._pieces.put):
            try:
                yield
            finally:
                while not self._pieces.empty():
                    left = self._pieces.get()
                    if isinstance(left, Errand):
                        left.give_up()

    @property
    def result(self) -> R:
        """What the work returned, once the iteration has ended.

        Raises: what the work raised; KeyboardInterrupt where it was cancelled.
        """
        if self._is_cancelled:
            raise KeyboardInterrupt
        return self._task.result()

    def cancel(self) -> None:
        """Cancels the work, from any thread; the iteration ends at once."""
        self._is_cancelled = not self._task.has_ended
        self._task.cancel()
        self._pieces.put(_Mark.END)

    async def _put(self, piece: T) -> None:
        self._pieces.put(piece)
        while self._pieces.qsize() > PIECES_AHEAD:  # noqa: ASYNC110 (the reader is a thread)
            await anyio.sleep(0.01)
