"""Threads of the worker's own, which no debugger stops when it stops the user's."""

import threading
from collections.abc import Callable


class UndebuggedThread(threading.Thread):
    """One that goes on at a breakpoint: a worker must answer, or it is taken for stuck."""

    pydev_do_not_trace = True  # debugpy's own marks, which ipykernel's threads bear too
    is_pydev_daemon_thread = True

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
