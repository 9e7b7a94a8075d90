"""Ctrl-C, or the notebook's interrupt button, while a call runs in a worker."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_to(press: Callable[[], None]) -> Iterator[None]:
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
