"""Three kernels at once, of which one after the other is killed: of the dead nothing stays.

`SNAKEPIT_CRASH_CYCLES` sets how many are killed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.identity import Identity, identity_of, is_running
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import runs_directory, state_directory
from snakepit_nb.launch.sweep import list_orphans, sweep

from .kernel import KINDS, STATES

CYCLES = int(os.environ.get("SNAKEPIT_CRASH_CYCLES", "6"))
KERNELS = 3
ROOT = Path(__file__).parents[2]
SECONDS = 1.0
SECONDS_TO_START = 20.0
SECONDS_TO_SWEEP = 15.0

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(120 + 10 * CYCLES)]


@dataclass(slots=True, kw_only=True)
class Kernel:
    """One that runs, in its state and of its kind."""

    process: "subprocess.Popen[bytes]"
    what: str
    everything: set[Identity] = field(default_factory=set)
    healthy: set[Identity] = field(default_factory=set)
    guardian: int = 0

    def wait_ready(self) -> None:
        """Waits until it is as it was told to be."""
        if self.everything:
            return
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the kernel that should be {self.what} did not start"
        told = json.loads(line)
        self.guardian = told["guardian"]
        kernel_and_guardian = identities(told["kernel"], told["guardian"])
        workers = identities(told["worker"], *filter(None, [told["other"]]))
        # A worker that does not answer may be given up by its own pool.
        self.healthy = kernel_and_guardian | (workers if told["other"] else set())
        # Among these may be a fork that was there for a moment only, to make the daemon.
        more = {found for pid in told["more"] if (found := identity_of(pid))}
        self.everything = kernel_and_guardian | workers | more

    def kill(self, *, with_guardian: bool) -> None:
        if with_guardian:
            self.process.send_signal(signal.SIGSTOP)  # lest it cleans up for its guardian
            os.kill(self.guardian, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@dataclass(slots=True, kw_only=True)
class Figures:
    """What is seen over all cycles."""

    foreign_kills: int = 0
    left_after_a_second: int = 0
    strays_for_the_sweep: int = 0
    left_after_the_sweep: int = 0
    slowest: float = 0.0
    slowest_sweep: float = 0.0

    def kill(self, victim: Kernel, *, with_guardian: bool) -> set[Identity]:
        """Kills a kernel, and returns what of it runs a second later."""
        victim.kill(with_guardian=with_guardian)
        begun = time.monotonic()
        left = wait_ended(victim.everything, seconds=SECONDS)
        if with_guardian:
            self.strays_for_the_sweep += len(left)
        else:
            self.left_after_a_second += len(left)
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return left

    def await_sweep(self, left: set[Identity]) -> None:
        """Waits until a kernel that starts has ended what another has left."""
        if left:
            begun = time.monotonic()
            self.left_after_the_sweep += len(wait_ended(left, seconds=SECONDS_TO_SWEEP))
            self.slowest_sweep = max(self.slowest_sweep, time.monotonic() - begun)

    def look_after(self, kernels: list[Kernel]) -> None:
        """Counts what has ended of kernels that nobody has killed."""
        for kernel in kernels:
            self.foreign_kills += sum(not is_running(process) for process in kernel.healthy)


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))


def test_of_killed_kernels_nothing_stays_and_of_the_others_everything(tmp_path: Path) -> None:
    figures = Figures()
    with ExitStack() as running:
        kernels = [running.enter_context(start(tmp_path, number)) for number in range(KERNELS)]
        for number in range(CYCLES):
            for kernel in kernels:
                kernel.wait_ready()
            left = figures.kill(kernels.pop(0), with_guardian=number % 3 == 2)
            # The next one sweeps as it starts.
            kernels.append(running.enter_context(start(tmp_path, KERNELS + number)))
            figures.await_sweep(left)
            figures.look_after(kernels)
        for kernel in kernels:
            kernel.wait_ready()
            figures.kill(kernel, with_guardian=False)
    print(f"{CYCLES + KERNELS} kernels killed: {figures}")  # noqa: T201 (the figures)

    assert figures.foreign_kills == 0
    assert figures.left_after_a_second == 0
    assert figures.left_after_the_sweep == 0
    check_nothing_is_noted()


def check_nothing_is_noted() -> None:
    state = state_directory()
    assert all(not orphans.processes for orphans in list_orphans(state))
    assert all(not orphans.survivors for orphans in sweep(state))
    registry = Registry(state)
    assert registry.runs() == {}
    registry.close()
    assert list(runs_directory(state).iterdir()) == []
    assert list(Path(os.environ["XDG_RUNTIME_DIR"], "snakepit").iterdir()) == []


def identities(*pids: int) -> set[Identity]:
    found = {identity for pid in pids if (identity := identity_of(pid))}
    assert len(found) == len(pids)
    return found


@contextmanager
def start(scratch: Path, number: int) -> Iterator[Kernel]:
    """Starts a kernel in the next of all states and of the next of all kinds."""
    state, kind = STATES[number % len(STATES)], KINDS[number % len(KINDS)]
    place = scratch / f"kernel-{number}"
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashes.kernel", state, kind],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield Kernel(process=process, what=f"{state}, {kind}")
        finally:
            process.kill()
