"""A kernel whose only worker is in a given state, and is of a given kind; it waits to be killed.

`python -m tests.crashes.kernel STATE KIND`, in a directory of its own. It tells its processes as
JSON.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable

import psutil

import snakepit_nb as snakepit

from .troubles import HOLD_START, LOCK_IS_TAKEN, TAKE_THE_LOCK, until

STATES = ("idle", "busy", "spawning", "draining", "streaming")
KINDS = ("child", "daemon", "stopped", "holds the lock")


def main(state: str, kind: str) -> None:
    pool = snakepit.start(workers=1, adapters=["tests.crashes.troubles:Troubles"])
    worker = pool.call("pid")
    other = pool.call("have", kind=kind)
    bring_into(state, pool)
    bring_about(kind, worker)
    (guardian,) = psutil.Process().children()
    told = {
        "kernel": os.getpid(),
        "guardian": guardian.pid,
        "worker": worker,
        "other": other,
        "more": [child.pid for child in guardian.children()],
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def bring_into(state: str, pool: snakepit.Pool) -> None:
    match state:
        case "busy":
            in_background(lambda: pool.call("wait"))
            until(lambda: states(pool) == ["busy"])
        case "streaming":
            stream = pool.stream("stream")
            next(stream)
            in_background(lambda: [None for _ in stream])
        case "draining":
            in_background(lambda: pool.call("wait"))
            until(lambda: states(pool) == ["busy"])
            in_background(pool.restart)
            until(lambda: "draining" in states(pool))
        case "spawning":
            HOLD_START.touch()
            in_background(lambda: snakepit.scale(2))
            (guardian,) = psutil.Process().children()
            until(lambda: "starting" in states(pool) and len(guardian.children()) > 1)
        case _:
            return


def bring_about(kind: str, worker: int) -> None:
    if kind == "stopped":
        os.kill(worker, signal.SIGSTOP)
    elif kind == "holds the lock":
        TAKE_THE_LOCK.touch()
        until(LOCK_IS_TAKEN.exists)


def states(pool: snakepit.Pool) -> list[str]:
    return [worker.state for worker in pool.status().workers]


def in_background(work: Callable[[], object]) -> None:
    threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
