"""A pool in a given state, of which it is told what must be gone when its process has ended."""

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

import snakepit_nb as snakepit
from snakepit_nb.worker import Adapter, tool
from tests.launch.sleepers import DAEMON

STATES = ("idle", "busy", "daemon")


class DoorTools(Adapter):
    @tool
    def never_ends(self, note: str) -> None:
        """Runs on in plain code, whoever interrupts it."""
        while True:
            try:
                Path(note).touch()
                while True:
                    time.sleep(0.01)
            except KeyboardInterrupt:
                pass

    @tool
    def have_daemon(self) -> int:
        return int(subprocess.check_output([sys.executable, "-c", DAEMON]))


def prepare(state: str) -> list[int]:
    """Starts a pool of two workers and brings it into a state; returns all of its processes."""
    adapter = f"{DoorTools.__module__}:{DoorTools.__qualname__}"
    pool = snakepit.start(workers=2, adapters=[adapter])
    pool.wait_ready()
    daemon = pool.call("have_daemon") if state == "daemon" else 0
    if state == "busy":
        note = Path("busy").absolute()
        threading.Thread(target=call_for_ever, args=(pool, str(note)), daemon=True).start()
        while not note.exists():
            time.sleep(0.01)
    (guardian,) = psutil.Process().children()
    workers = [worker.pid or 0 for worker in pool.status().workers]
    return [guardian.pid, *workers, *filter(None, [daemon])]


def call_for_ever(pool: snakepit.Pool, note: str) -> None:
    with suppress(snakepit.SnakepitError):  # its end is what the tests are about
        pool.call("never_ends", note=note)
