"""The phases of a worker's and a call's life, each of which a pool can be brought into and kept in.

A phase is reached by the pool's own settings and by tools that wait for an order.
"""

import os
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psutil

import snakepit_nb as snakepit
from snakepit_nb.launch.identity import identity_of
from snakepit_nb.launch.state_directory import state_directory
from snakepit_nb.pool.snapshot import CallSnapshot, PoolSnapshot

from .faulty_tools import PLACE
from .inflicted import GO_ON
from .waiting import until

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BOUND = 30.0
"""Seconds within which everything is over, whatever the fault."""
BEAT = 0.1
LOOKING_SECONDS = 0.005
STATES = ("spawn", "starting", "working", "closing")
"""In which of them a worker waits for an order; a file tells so."""
T = TypeVar("T")
NUMBERS = count()
PLAIN: dict[str, Any] = {
    "workers": 1,
    "heartbeat_interval": BEAT,
    "unresponsive_busy": 1.0,
    "unresponsive_idle": 1.0,
    "interrupt_grace": 1.0,
    "stop_grace": 1.5,
    "restart_limit": None,
    "breaker_limit": None,
    "queue_timeout": BOUND,
    "call_timeout": BOUND,
    "stream_timeout": BOUND,
}


OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "hasty": {"ready_timeout": 3.0},
    "pair": {"workers": 2},
    "recycling": {"max_calls": 1},
    "ending": {},
}
KIND_FOR = {"retry backoff": "pair", "recycle": "recycling", "shutdown": "ending"}
"""Which kind of pool can be brought into a phase, where a plain one cannot."""


def open_pool(name: str, place: Path, **options: Any) -> snakepit.Pool:  # noqa: ANN401 (as they are)
    """Opens a pool whose workers are started by way of a script that can be kept waiting."""
    python = place / "python"
    python.write_text(
        f"#!/bin/sh\n[ -e '{place}/hold-spawn' ] &&\n"
        f"exec '{sys.executable}' -IS '{HERE}/inflicted.py' '{place}' '{sys.executable}' \"$@\"\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    python.chmod(stat.S_IRWXU)
    return snakepit.start(
        name=name,
        adapters=["tests.crashes.faulty_tools:FaultyTools"],
        python=str(python),
        env={"PYTHONPATH": str(ROOT), PLACE: str(place)},
        **{**PLAIN, **options},
    )


class Pools:
    """Pools of several kinds, each opened by the first who wants it."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._made: dict[str, tuple[snakepit.Pool, Path]] = {}

    def get(self, kind: str) -> tuple[snakepit.Pool, Path]:
        """Returns a pool that runs, and the directory of its holds and orders."""
        pool, place = self._made.get(kind, (None, Path()))
        if pool is None or not pool.is_running:
            place = self._scratch / f"{kind}-{next(NUMBERS)}"
            place.mkdir()
            pool = open_pool(f"{kind}_{next(NUMBERS)}", place, **OPTIONS[kind])
            self._made[kind] = pool, place
        return pool, place

    def give_up(self, kind: str) -> None:
        """Ends a pool on which a test has failed, so that the next one has its own."""
        pool, _ = self._made.pop(kind)
        assert in_thread(lambda: pool.stop(now=True)).exception(BOUND) is None

    def close(self) -> None:
        for kind in list(self._made):
            self.give_up(kind)


@dataclass(slots=True, kw_only=True)
class Scene:
    """A pool in a phase."""

    pool: snakepit.Pool
    place: Path
    target: int = 0
    """The process id of the worker that the phase is about; 0: there is none yet."""
    guardian: int = 0
    outcomes: dict[str, "Future[object]"] = field(default_factory=dict)
    """What becomes of the calls that the phase is about."""
    let_go: ExitStack = field(default_factory=ExitStack)
    """Ends what keeps the pool in the phase."""
    until_the_end: ExitStack = field(default_factory=ExitStack)
    """Ends the fault."""

    def reach(self, phase: str) -> None:
        PHASES[phase](self)

    def order(self, order: str) -> None:
        """Tells the worker to have a fault."""
        tell(self.place, self.target, order)

    def finish(self) -> dict[str, BaseException | None]:
        """Lets go on what waits, until all that the phase is about is over; returns the errors."""
        for hold in self.place.glob("hold-*"):
            hold.unlink()
        self.let_go.close()
        until(self._are_over)
        return {name: outcome.exception() for name, outcome in self.outcomes.items()}

    def release(self) -> None:
        for mark in [path for state in STATES for path in self.place.glob(f"*.{state}")]:
            tell(self.place, int(mark.stem), GO_ON)

    def _are_over(self) -> bool:
        self.release()
        return all(outcome.done() for outcome in self.outcomes.values())

    def call(self, name: str, tool: str, arguments: dict[str, object] | None = None) -> None:
        self.outcomes[name] = in_thread(lambda: self.pool.call(tool, arguments))

    def hold(self, what: str) -> None:
        (self.place / f"hold-{what}").touch()

    def worker(self) -> int:
        """Waits until the workers serve, and returns the process id of the first."""
        size = self.pool.settings.workers
        until(lambda: states(self.pool) == ["idle"] * size)
        pid = self.pool.status().workers[0].pid or 0
        self.guardian = psutil.Process(pid).ppid()
        return pid


def reserve(scene: Scene) -> None:
    """The registry is in use by somebody else when a worker's row is to be written."""
    worker = scene.worker()
    connection = sqlite3.connect(state_directory() / "registry.db", isolation_level=None)
    scene.let_go.callback(connection.close)
    connection.execute("BEGIN IMMEDIATE")
    os.kill(worker, signal.SIGKILL)
    scene.call("waiting", "echo", {"value": "waited"})
    until(lambda: states(scene.pool) == ["starting"])


def spawn(scene: Scene) -> None:
    start_held(scene, "spawn", "spawn")


def handshake(scene: Scene) -> None:
    start_held(scene, "handshake", "starting")


def start_held(scene: Scene, hold: str, state: str) -> None:
    worker = scene.worker()
    scene.hold(hold)
    scene.target = waiting_after(scene, state, lambda: os.kill(worker, signal.SIGKILL))
    (scene.place / f"hold-{hold}").unlink()
    scene.call("waiting", "echo", {"value": "waited"})


def idle(scene: Scene) -> None:
    scene.target = scene.worker()


def running(scene: Scene) -> None:
    scene.worker()
    scene.target = waiting_after(scene, "working", lambda: scene.call("running", "work"))


def queued(scene: Scene) -> None:
    running(scene)
    scene.call("waiting", "echo", {"value": "waited"})
    until(lambda: scene.pool.status().queued)


def streaming(scene: Scene) -> None:
    scene.worker()

    def stream() -> object:
        return list(scene.pool.stream("stream"))

    def begin() -> None:
        scene.outcomes["streaming"] = in_thread(stream)

    scene.target = waiting_after(scene, "working", begin)


def retry_backoff(scene: Scene) -> None:
    """A call's first worker is dead, and it waits a tenth of a second for the other one."""
    scene.worker()
    retried = threading.Event()
    scene.let_go.callback(snakepit.on("pool.call.retried", lambda _event: retried.set()))
    first = waiting_after(scene, "working", lambda: scene.call("retried", "again"))
    (scene.target,) = {w.pid or 0 for w in scene.pool.status().workers} - {first}
    os.kill(first, signal.SIGKILL)
    assert retried.wait(BOUND)


def recycle(scene: Scene) -> None:
    """A worker that has had its number of calls runs one, and another starts in its place."""
    scene.worker()
    scene.hold("handshake")
    running_at = waiting_after(scene, "working", lambda: scene.call("running", "work"))
    until(lambda: "starting" in states(scene.pool))
    (scene.place / "hold-handshake").unlink()
    scene.target = running_at


def shutdown(scene: Scene) -> None:
    """The pool is being stopped, and its worker closes what it has."""
    scene.worker()
    scene.hold("closing")

    def stop() -> None:
        scene.outcomes["stopping"] = in_thread(lambda: scene.pool.stop(now=True))

    scene.target = waiting_after(scene, "closing", stop)


PHASES: dict[str, Callable[[Scene], None]] = {
    "reserve": reserve,
    "spawn": spawn,
    "handshake": handshake,
    "idle": idle,
    "queued": queued,
    "running": running,
    "streaming": streaming,
    "retry backoff": retry_backoff,
    "recycle": recycle,
    "shutdown": shutdown,
}


def waiting_after(scene: Scene, state: str, act: Callable[[], object]) -> int:
    """Acts, and returns the process id of the worker that then waits for an order."""
    known = set(scene.place.glob(f"*.{state}"))
    act()
    (path,) = until(lambda: set(scene.place.glob(f"*.{state}")) - known)
    return int(path.stem)


def check_whole(pool: snakepit.Pool) -> None:
    """The pool has its size, nothing is booked, and it serves."""
    assert in_thread(lambda: pool.call("echo", value=7)).result(BOUND) == 7
    size = pool.settings.workers
    until(lambda: seen(pool.status()) == ([("idle", 0)] * size, ()))
    pool.resize(size)  # starts that failed are not counted any more


def seen(status: PoolSnapshot) -> tuple[list[tuple[str, int]], tuple[CallSnapshot, ...]]:
    return [(worker.state, worker.load) for worker in status.workers], status.queued


def tell(place: Path, pid: int, order: str) -> None:
    """Tells a process an order, once; one that has ended needs none."""
    marks = [mark for state in STATES if (mark := place / f"{pid}.{state}").exists()]
    before = place / f"{pid}.spawn"
    pipe = before if before in marks else place / f"{pid}.orders"
    until(lambda: write(pipe, f"{order}\n") or identity_of(pid) is None)
    for mark in marks:
        mark.unlink()


def write(pipe: Path, text: str) -> bool:
    """Writes to a pipe; tells whether anybody reads it."""
    with suppress(OSError):
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
        return True
    return False


def states(pool: snakepit.Pool) -> list[str]:
    return sorted(worker.state for worker in pool.status().workers)


def in_thread(work: Callable[[], object]) -> "Future[object]":
    outcome: Future[object] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is what the test is about)
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
