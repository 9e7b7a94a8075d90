"""The rows of the fault matrix: what goes wrong, how that is done, and what is said of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from snakepit_nb.launch.identity import identity_of
from snakepit_nb.launch.state_directory import state_directory

from .cgroups import Cgroup
from .disks import covered_read_only, fill_up
from .inflicted import A_DAY
from .scenes import PHASES, Scene, is_stopped, states
from .waiting import until

WITH_A_WORKER = tuple(phase for phase in PHASES if phase != "reserve")
KILLED = r"signal 9( \(SIGKILL\))?"


class Course(Enum):
    """What a fault comes to."""

    DEATH = "the worker ends at once"
    FREEZE = "it stays, and does nothing"
    THAW = "it goes on after a while"
    ILLNESS = "it goes on, but not all works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row."""

    course: Course
    strike: Callable[[Scene], None]
    words: str = ""
    """What an error says of it."""
    phases: tuple[str, ...] = WITH_A_WORKER
    """The columns that apply."""


def sends(number: signal.Signals) -> Callable[[Scene], None]:
    return lambda scene: os.kill(scene.target, number)


def orders(fault: str) -> Callable[[Scene], None]:
    return lambda scene: scene.order(fault)


def freezes_for_a_while(scene: Scene) -> None:
    os.kill(scene.target, signal.SIGSTOP)
    is_known = any(worker.pid == scene.target for worker in scene.pool.status().workers)
    until(lambda: "frozen" in states(scene.pool) if is_known else is_stopped(scene.target))
    os.kill(scene.target, signal.SIGCONT)


def grows(scene: Scene) -> None:
    """In a control group that has less memory than that."""
    with Cgroup.limited("memory", of=scene.target) as group:
        scene.order("grow")
        until(group.is_empty)


def multiplies(scene: Scene) -> None:
    """In a control group that may have a few more processes."""
    group = scene.let_go.enter_context(Cgroup.limited("pids", of=scene.target))
    scene.order("multiply")
    until(group.is_full)


WORKER_FAULTS = {
    "SIGKILL": Fault(course=Course.DEATH, strike=sends(signal.SIGKILL), words=KILLED),
    "SIGSTOP": Fault(
        course=Course.FREEZE,
        strike=sends(signal.SIGSTOP),
        words=r"did not answer for \d+ s \(frozen\)|was not ready within",
    ),
    "SIGSTOP, SIGCONT": Fault(course=Course.THAW, strike=freezes_for_a_while),
    "segmentation fault": Fault(
        course=Course.DEATH, strike=orders("segfault"), words=r"signal 11( \(SIGSEGV\))?"
    ),
    "exit": Fault(course=Course.DEATH, strike=orders("leave"), words="exit code 0"),
    "exit at exit": Fault(
        course=Course.ILLNESS,
        strike=orders("leave at exit"),
        phases=("handshake", "idle", "running", "recycle", "shutdown"),
    ),
    "no address space": Fault(
        course=Course.ILLNESS,
        strike=orders("run out of memory"),
        words="MemoryError|signal|exit code|memory|thread|did not answer",
    ),
    "killed for its memory": Fault(course=Course.DEATH, strike=grows, words=KILLED),
    "fork bomb": Fault(
        course=Course.ILLNESS,
        strike=multiplies,
        words="temporarily unavailable|start new thread|exit code 1",
    ),
    "no descriptors": Fault(
        course=Course.ILLNESS,
        strike=orders("run out of descriptors"),
        words="Too many open files|exit code 1",
    ),
}


def guardian_is_killed(scene: Scene) -> None:
    os.kill(scene.guardian, signal.SIGKILL)
    until(lambda: identity_of(scene.guardian) is None)  # its workers end with it, not with the kill


def guardian_freezes_for_a_while(scene: Scene) -> None:
    os.kill(scene.guardian, signal.SIGSTOP)
    until(lambda: is_stopped(scene.guardian))
    os.kill(scene.guardian, signal.SIGCONT)


GUARDIAN_FAULTS = {
    "SIGKILL": Fault(
        course=Course.DEATH,
        strike=guardian_is_killed,
        words=f"{KILLED}|guardian",
        phases=tuple(PHASES),
    ),
    "SIGSTOP, SIGCONT": Fault(
        course=Course.THAW, strike=guardian_freezes_for_a_while, phases=tuple(PHASES)
    ),
}


def registry_is_full(scene: Scene) -> None:  # noqa: ARG001 (every strike is told)
    fill_up(state_directory().parent)


def registry_is_read_only(scene: Scene) -> None:
    scene.until_the_end.enter_context(covered_read_only(state_directory()))


def registry_is_deleted(scene: Scene) -> None:  # noqa: ARG001
    for path in state_directory().glob("registry.db*"):
        path.unlink()


def registry_is_damaged(scene: Scene) -> None:  # noqa: ARG001
    with (state_directory() / "registry.db").open("r+b") as file:
        file.write(b"nonsense " * 1000)


def registry_is_locked(scene: Scene) -> None:
    """By who has kept it from being written so far: for longer than it is waited for."""
    until(lambda: any("database is locked" in told for told in scene.pool.status().problems))


def registry_is_slow(scene: Scene) -> None:
    """Another kernel is stopped in the midst of a transaction, as on a disk that hangs."""
    path = state_directory() / "registry.db"
    writer = subprocess.Popen([sys.executable, "-c", STOPPED_WRITER, str(path)])
    scene.until_the_end.callback(writer.communicate)
    scene.until_the_end.callback(writer.kill)
    until(lambda: is_stopped(writer.pid))


STOPPED_WRITER = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
os.kill(os.getpid(), signal.SIGSTOP)
"""
WRITING = ("reserve", "spawn", "recycle", "shutdown")
"""In the other phases nothing is written."""
REGISTRY_FAULTS = {
    "ENOSPC": Fault(course=Course.THAW, strike=registry_is_full, phases=WRITING),
    "read-only": Fault(course=Course.THAW, strike=registry_is_read_only, phases=WRITING),
    "deleted": Fault(course=Course.THAW, strike=registry_is_deleted, phases=WRITING),
    "locked": Fault(course=Course.THAW, strike=registry_is_locked, phases=("reserve",)),
    "slow": Fault(course=Course.THAW, strike=registry_is_slow, phases=WRITING[1:]),
    "corrupt": Fault(course=Course.THAW, strike=registry_is_damaged, phases=WRITING),
}


def run_directory() -> Path:
    """Returns the one in use, which is not that of a guardian that has ended."""
    (found,) = Path(os.environ["XDG_RUNTIME_DIR"], "snakepit").iterdir()
    return found


def directory_is_read_only(scene: Scene) -> None:
    scene.until_the_end.enter_context(covered_read_only(run_directory()))


def directory_is_removed(scene: Scene) -> None:  # noqa: ARG001
    shutil.rmtree(run_directory())


DIRECTORY_FAULTS = {
    "read-only": Fault(
        course=Course.ILLNESS,
        strike=directory_is_read_only,
        words="Read-only file system",
        # At shutdown it would stay, for who cannot write cannot remove.
        phases=("reserve", "spawn", "handshake", "running", "recycle"),
    ),
    "removed": Fault(
        course=Course.THAW,
        strike=directory_is_removed,
        phases=("reserve", "spawn", "handshake", "running", "recycle", "shutdown"),
    ),
}


def clock_jumps(scene: Scene) -> None:
    """By a day for the worker, and back by a day for the kernel, as far as Python sees it."""
    if scene.target:
        scene.order("jump")
    true, true_ns = time.time, time.time_ns
    time.time = lambda: true() - A_DAY
    time.time_ns = lambda: true_ns() - A_DAY * 10**9
    scene.until_the_end.callback(setattr, time, "time", true)
    scene.until_the_end.callback(setattr, time, "time_ns", true_ns)


CLOCK_FAULTS = {"jump": Fault(course=Course.THAW, strike=clock_jumps, phases=tuple(PHASES))}

HOME_FAULTS = {
    "read-only": Fault(
        course=Course.THAW,
        strike=lambda _: None,  # it is so from the start
        phases=("spawn", "running", "recycle", "shutdown"),
    )
}
REUSED_IN = ("spawn", "running", "shutdown")
"""The phases in which a kernel dies whose numbers others get."""
