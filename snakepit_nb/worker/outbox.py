"""What calls put out and the serving thread sends: bounded, so that a flood waits."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue from any thread to the serving thread's loop, `limit` units of weight long."""

    def __init__(
        self,
        call_soon: Callable[[Callable[[], object]], object],
        *,
        limit: int,
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._call_soon = call_soon
        self._limit = limit
        self._shield = shield  # an interrupt within `put` could leave the lock taken for ever
        self._items: deque[T] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._filled = anyio.Event()
        self._is_announced = False
        self._is_closed = False
        self._is_urgent = False
        self._urgent = anyio.Event()
        self._tell_room: Callable[[], object] | None = None

    def put(self, item: T, weight: int = 1) -> None:
        """Adds an item; waits while the outbox is full. After `close` the item is dropped."""
        with self._shield():
            self._put(item, weight)

    def offer(self, item: T, weight: int = 1, *, is_urgent: bool = False) -> bool:
        """As `put`; tells whether it was added. What is urgent ends `wait_urgent`."""
        with self._shield():
            return self._put(item, weight, is_urgent=is_urgent)

    def close(self) -> None:
        """Takes no more items; `take` still returns those that are in. For the serving thread."""
        with self._changed:
            self._is_closed = True
            self._notify()
        self._announce()

    async def wait_room(self, call_soon: Callable[[Callable[[], object]], object]) -> None:
        """Waits until `put` would not; for the only one who puts in, on a loop that must go on.

        `call_soon` calls back on that loop, from any thread.
        """
        with self._changed:
            if self._weight < self._limit or self._is_closed:
                return
            room = anyio.Event()
            self._tell_room = partial(call_soon, room.set)
        await room.wait()

    async def wait_urgent(self) -> None:
        """Returns once something urgent is in, or `close` was called."""
        await self._urgent.wait()

    async def wait_filled(self) -> bool:
        """Waits for items; returns False once the outbox is closed and empty."""
        while not self._items and not self._is_closed:
            await self._filled.wait()
            self._filled = anyio.Event()
        return bool(self._items)

    async def take(self) -> list[T]:
        """Waits for items and returns all; an empty list once the outbox is closed and empty."""
        await self.wait_filled()
        return self.take_now()

    def take_now(self) -> list[T]:
        """Returns what is in, without waiting."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            self._weight = 0
            self._is_announced = False
            if self._is_urgent and not self._is_closed:
                self._is_urgent, self._urgent = False, anyio.Event()
            self._notify()
            return items

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._tell_room is not None:
            self._tell_room()
            self._tell_room = None

    def _put(self, item: T, weight: int, *, is_urgent: bool = False) -> bool:
        with self._changed:
            while self._weight >= self._limit and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return False
            self._items.append(item)
            self._weight += weight
            self._is_urgent |= is_urgent
            if self._is_announced and not is_urgent:
                return True
            self._is_announced = True
        self._call_soon(self._announce)
        return True

    def _announce(self) -> None:
        self._filled.set()
        if self._is_closed or self._is_urgent:
            self._urgent.set()
