"""Ctrl-C, or the notebook's interrupt button, while a call runs in a worker."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .delivery import Delivery

T = TypeVar("T")
R = TypeVar("R")

KILL_WITHIN_SECONDS = 2.0
KILLED_BY_INTERRUPT = "it was killed by the second interrupt"


def show_here(
    delivery: Delivery[T, R],
    show: Callable[[T], None],
    *,
    interrupt: Callable[[], None],
    kill: Callable[[], None],
) -> R:
    """Shows on this thread what is delivered; returns what the work returned, once it has ended.

    An interrupt calls `interrupt`, a second one within 2 s `kill`: the work goes on until these
    have ended it. Whatever `show` raises cancels it.
    """
    pressed = 0.0

    def press() -> None:
        nonlocal pressed
        now = time.monotonic()
        act = kill if now - pressed <= KILL_WITHIN_SECONDS else interrupt
        act()
        pressed = now

    try:
        with _interrupts_to(press):
            delivery.start()
            for piece in delivery:
                show(piece)
    except BaseException:
        delivery.cancel()
        raise
    return delivery.result


@contextmanager
def _interrupts_to(press: Callable[[], None]) -> Iterator[None]:
    """Calls `press` for each interrupt within the `with`, in place of raising KeyboardInterrupt.

    So an interrupt never falls between receiving a piece of output and showing it. Off the main
    thread, where no interrupt arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _signal, _frame: press())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
