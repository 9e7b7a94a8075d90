"""Brings events to whoever wants to hear them: on a thread of its own, so that nobody waits."""

import atexit
import contextlib
import fnmatch
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from .events import CATALOGUE, Event, WorkerEvent

log = logging.getLogger(__name__)

Handler = Callable[[Event], object]

QUEUED = 10_000
SLOW_SECONDS = 1.0
SECONDS_AT_EXIT = 1.0
_WORKERS = "worker."
_WILDCARDS = "*?["


class Bus:
    """From whoever tells, by a bounded queue, to the handlers. Any thread may use it."""

    def __init__(self, *, queued: int = QUEUED) -> None:
        self._limit = queued
        self._queue: SimpleQueue[Event | threading.Event] = SimpleQueue()
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._wanted: frozenset[type[Event]] = frozenset()
        self._watchers: tuple[Callable[[], object], ...] = ()
        self._changing = threading.RLock()  # a signal handler may subscribe, or tell, on top of us
        self._thread: threading.Thread | None = None
        self._lost = 0

    def on(self, pattern: str, handler: Handler) -> Callable[[], None]:
        """Calls the handler for each event whose name fits, such as `pool.call.*`.

        That is on a thread of its own, in the order in which the events were told. What a handler
        raises is logged. `*` fits any text, dots too.

        Returns: what ends it.
        """
        subscription = _Subscription(pattern, handler)
        with self._changing:
            self._start()
            self._set((*self._subscriptions, subscription))
        return lambda: self._end(subscription)

    def wanted(self, kind: type[Event]) -> bool:
        """Tells whether anybody listens to a kind of event: what is not need not be made."""
        return kind in self._wanted

    def emit(self, event: Event) -> None:
        """Tells an event; never waits, and runs nobody's code. What exceeds the queue is lost."""
        if type(event) not in self._wanted:
            return
        if self._lost or self._queue.qsize() >= self._limit:
            self._lose()
        else:
            self._queue.put(event)

    def flush(self, timeout: float | None = 5.0) -> bool:
        """Waits until all that was told before is delivered; tells whether it was in time."""
        if self._thread is None:
            return True
        if self._thread is threading.current_thread():  # a handler, which stands in the way
            return False
        delivered = threading.Event()
        self._queue.put(delivered)
        return delivered.wait(timeout)

    def worker_patterns(self) -> tuple[str, ...]:
        """Returns what is listened to of workers: globs on the names that these give."""
        return tuple(
            {
                subscription.pattern.removeprefix(_WORKERS)
                if subscription.pattern.startswith(_WORKERS)
                else "*": None
                for subscription in self._subscriptions
                if subscription.may_want(WorkerEvent)
            }
        )

    def watch(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Calls back, from any thread, when other kinds of events may be wanted than before.

        Returns: what ends it.
        """
        with self._changing:
            self._watchers = (*self._watchers, callback)

        def end() -> None:
            with self._changing:
                self._watchers = tuple(each for each in self._watchers if each is not callback)

        return end

    def _end(self, subscription: "_Subscription") -> None:
        with self._changing:
            self._set(tuple(each for each in self._subscriptions if each is not subscription))

    def _set(self, subscriptions: "tuple[_Subscription, ...]") -> None:
        self._subscriptions = subscriptions
        self._wanted = frozenset(
            kind
            for kind in CATALOGUE.values()
            if any(subscription.may_want(kind) for subscription in subscriptions)
        )
        for callback in self._watchers:
            with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
                callback()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver, name="snakepit events")
            self._thread.daemon = True
            self._thread.start()
            atexit.register(self.flush, SECONDS_AT_EXIT)

    def _deliver(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            for subscription in self._subscriptions:
                if subscription.fits(item.name):
                    subscription.call(item)
            if self._lost and self._queue.qsize() <= self._limit // 2:
                self._tell_lost()

    def _lose(self) -> None:
        with self._changing:
            self._lost += 1
            is_first = self._lost == 1
        if is_first:
            log.warning(
                "more than %d events wait for their handlers: what comes now is not told",
                self._limit,
            )

    def _tell_lost(self) -> None:
        with self._changing:
            lost, self._lost = self._lost, 0
        log.warning("%d events were not told: their handlers were too slow", lost)

    def forget_all(self) -> None:
        """Has no subscriptions any more: a forked child has no thread that could deliver."""
        self.__init__(queued=self._limit)  # type: ignore[misc]


class _Subscription:
    """One handler and what it wants."""

    def __init__(self, pattern: str, handler: Handler) -> None:
        self.pattern = pattern
        self._handler = handler
        self.fits = re.compile(fnmatch.translate(pattern)).match
        wildcards = (pattern.find(wildcard) for wildcard in _WILDCARDS)
        self._begins = pattern[: min((at for at in wildcards if at >= 0), default=len(pattern))]
        self._was_slow = False

    def may_want(self, kind: type[Event]) -> bool:
        """Tells whether an event of a kind can fit; what workers tell has names of its own."""
        if kind is WorkerEvent:
            return self._begins.startswith(_WORKERS) or _WORKERS.startswith(self._begins)
        return self.fits(kind.kind) is not None

    def call(self, event: Event) -> None:
        """Runs the handler, which can do no harm but to take its time."""
        begun = time.monotonic()
        try:
            self._handler(event)
        except BaseException:  # one that exits would end the thread of all others
            log.exception("a handler of %s failed", event.name)
        taken = time.monotonic() - begun
        if taken > SLOW_SECONDS and not self._was_slow:
            self._was_slow = True
            log.warning("a handler of %s took %.1f s: all others wait for it", event.name, taken)


_bus = Bus()
os.register_at_fork(after_in_child=_bus.forget_all)

on = _bus.on
wanted = _bus.wanted
emit = _bus.emit
flush = _bus.flush
watch = _bus.watch
worker_patterns = _bus.worker_patterns
