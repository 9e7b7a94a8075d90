"""A kernel whose workers take and give large arrays all the time; it waits to be killed.

`python -m tests.crashes.large_traffic`. It tells the directories of its run as JSON.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import psutil

import snakepit_nb as snakepit
from snakepit_nb.errors import SnakepitError
from snakepit_nb.worker import Adapter, tool

SIZE = 8 * 1024 * 1024


class Large(Adapter):
    @tool(idempotent=True)
    def echo(self, value: Any) -> Any:  # noqa: ANN401 (that is what it is about)
        return value

    @tool
    def arrays(self) -> Iterator[Any]:
        for _ in range(20):
            yield np.zeros(SIZE, "u1")


def guardian_of_this_process() -> psutil.Process:
    (found,) = psutil.Process().children()
    return found


def directories_of(guardian: psutil.Process) -> list[str]:
    """Reads which directories a guardian removes: those for sockets, and for buffers."""
    return guardian.cmdline()[6:]


def keep_calling(pool: snakepit.Pool, is_wanted: Callable[[], bool] = lambda: True) -> int:
    """Calls and streams; returns how many calls were answered."""
    value = np.zeros(SIZE, "u1")
    answered = 0
    while is_wanted():
        with suppress(SnakepitError):
            answered += len(pool.call("echo", value=value)) == SIZE
            for _ in pool.stream("arrays"):
                pass
    return answered


def main() -> None:
    pool = snakepit.start(workers=2, adapters=[Large])
    for _ in range(2):
        threading.Thread(target=keep_calling, args=[pool], daemon=True).start()
    guardian = guardian_of_this_process()
    told = {"guardian": guardian.pid, "directories": directories_of(guardian)}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
