"""A kernel that is killed leaves no worker, whatever its workers do."""

import os
import select
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from .kernel_driver import open_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SECONDS = 1.0

STUBBORN = """
import ctypes, os, pathlib, signal, time
from snakepit_nb.worker import Adapter, tool

class Stubborn(Adapter):
    @tool
    def pid(self, session: str) -> int:
        return os.getpid()

    @tool
    def hold_the_lock(self, path: str) -> None:
        pathlib.Path(path).touch()
        ctypes.PyDLL(None).sleep(600)

    @tool
    def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
"""

DAEMON = """%%snakepit_exec -s daemon
import os, signal
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, str(os.getpid()).encode())
        while True:
            signal.pause()
    os._exit(0)
int(os.read(reading, 20))"""


def test_a_killed_kernel_leaves_neither_workers_nor_what_they_started(tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel, ExitStack() as descriptors:
        (tmp_path / "stubborn.py").write_text(STUBBORN)
        kernel.check("%load_ext snakepit_nb")
        kernel.check("%snakepit start --workers 4 --adapter stubborn:Stubborn")
        pids: dict[str, int] = dict(kernel.worker_pids())
        pids["daemon"] = kernel.check(DAEMON).value
        kernel.check(
            "import os, threading, snakepit_nb\n"
            "pool = snakepit_nb.pool()\n"
            "def states():\n"
            "    return [open(f'/proc/{w.pid}/stat').read().rsplit(')')[1].split()[0]\n"
            "            for w in pool.status().workers]\n"
            "for call in (('stop',), ('hold_the_lock', {'path': 'held'})):\n"
            "    threading.Thread(target=pool.call, args=call, daemon=True).start()\n"
            "while not os.path.exists('held') or 'T' not in states(): pass\n"
        )
        kernel_pid = kernel.pid
        lives = {what: os.pidfd_open(pid) for what, pid in pids.items()}
        for life in lives.values():
            descriptors.callback(os.close, life)

        os.kill(kernel_pid, signal.SIGKILL)
        left = those_alive_after(SECONDS, lives)

    assert left == set()


def those_alive_after(seconds: float, lives: dict[str, int]) -> set[str]:
    alive = {life: what for what, life in lives.items()}
    poller = select.poll()
    for life in alive:
        poller.register(life, select.POLLIN)
    deadline = time.monotonic() + seconds
    while alive and (milliseconds := (deadline - time.monotonic()) * 1000) > 0:
        for life, _ in poller.poll(milliseconds):
            poller.unregister(life)
            del alive[life]
    return set(alive.values())
