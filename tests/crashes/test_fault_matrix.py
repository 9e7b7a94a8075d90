"""Every fault in every phase in which it can be had: clear errors or recovery, and nothing is left.

The rows stand in `faults.py`, the columns in `scenes.py`. `make test` tries every second cell of
the rows that vary what others try; `SNAKEPIT_FAULT_ROUNDS` tries all of them, so many times.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from snakepit_nb.errors import PoolError, Progress, SnakepitError, ToolError, WorkerCrashedError
from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.identity import identity_of
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry
from snakepit_nb.launch.state_directory import state_directory
from snakepit_nb.launch.sweep import sweep

from .disks import read_only, small_disk
from .faults import (
    CLOCK_FAULTS,
    DIRECTORY_FAULTS,
    GUARDIAN_FAULTS,
    HOME_FAULTS,
    REGISTRY_FAULTS,
    REUSED_IN,
    WORKER_FAULTS,
    Course,
    Fault,
)
from .faulty_kernels import Kernels
from .root import require_root
from .scenes import BOUND, KIND_FOR, PHASES, ROOT, Pools, Scene, check_whole, in_thread
from .waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(4 * BOUND)]

ROUNDS = int(os.environ.get("SNAKEPIT_FAULT_ROUNDS", "0"))
TABLES = {
    "worker": WORKER_FAULTS,
    "guardian": GUARDIAN_FAULTS,
    "clock": CLOCK_FAULTS,
    "registry": REGISTRY_FAULTS,
    "runtime directory": DIRECTORY_FAULTS,
    "home": HOME_FAULTS,
}
WHOLE = ("SIGKILL", "SIGSTOP", "SIGSTOP, SIGCONT", "no address space")
"""The rows of which the short form tries each cell; of others every second one."""
STOPPED_SECONDS = 1.2
"""Longer than a worker that does not answer is waited for."""
DOES_NOT_START = ("spawn", "handshake")


def cells(*tables: str) -> list[tuple[str, str, str, int]]:
    """Lists the cells by phase, for pools are of a kind by phase."""
    rows = [(table, name) for table in tables for name in TABLES[table]]
    return [
        (table, name, phase, number)
        for column, phase in enumerate(PHASES)
        for row, (table, name) in enumerate(rows)
        if phase in TABLES[table][name].phases and (ROUNDS or name in WHOLE or (row + column) % 2)
        for number in range(max(1, ROUNDS))
    ]


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    with places():
        pools = Pools(tmp_path_factory.mktemp("pools"))
        pools.get("plain")  # it opens what this process then keeps
        pools.close()
        before = opened()
        yield pools
        pools.close()
        check_nothing_is_left()
        until(lambda: opened() <= before)


def opened() -> "Counter[str]":
    """Counts the sockets, pipes and files of this process, but none of gRPC's own wake-ups."""
    kinds: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            kinds[str(descriptor.readlink()).partition(":")[0]] += 1
    del kinds["anon_inode"]
    return kinds


@pytest.mark.parametrize(("table", "name", "phase", "number"), cells("worker", "guardian", "clock"))
def test_a_process_has_a_fault(
    pools: Pools,
    table: str,
    name: str,
    phase: str,
    number: int,  # noqa: ARG001 (of the round)
) -> None:
    fault = TABLES[table][name]
    is_frozen_at_start = fault.course is Course.FREEZE and phase in DOES_NOT_START
    kind = "hasty" if is_frozen_at_start else KIND_FOR.get(phase, "plain")
    pool, place = pools.get(kind)
    try:
        with ExitStack() as until_the_end:
            suffer(Scene(pool=pool, place=place, until_the_end=until_the_end), fault, phase)
    except BaseException:
        pools.give_up(kind)
        raise


@pytest.mark.parametrize(
    ("table", "name", "phase", "number"), cells("registry", "runtime directory")
)
def test_a_disk_has_a_fault(
    tmp_path: Path,
    table: str,
    name: str,
    phase: str,
    number: int,  # noqa: ARG001 (of the round)
) -> None:
    with small_disk(tmp_path, "size=2m") as disk, places(disk):
        suffer_alone(tmp_path, TABLES[table][name], phase)
        (disk / "all of it").unlink(missing_ok=True)
        check_nothing_is_left()


@pytest.mark.parametrize(("table", "name", "phase", "number"), cells("home"))
def test_a_home_has_a_fault(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    name: str,
    phase: str,
    number: int,  # noqa: ARG001 (of the round)
) -> None:
    with read_only(tmp_path) as home, places():
        monkeypatch.delenv("XDG_STATE_HOME")
        monkeypatch.setenv("HOME", str(home))
        suffer_alone(tmp_path, TABLES[table][name], phase)


def suffer_alone(scratch: Path, fault: Fault, phase: str) -> None:
    """One cell with a pool of its own."""
    pools = Pools(scratch)
    pool, place = pools.get(KIND_FOR.get(phase, "plain"))
    try:
        with ExitStack() as until_the_end:
            suffer(Scene(pool=pool, place=place, until_the_end=until_the_end), fault, phase)
    finally:
        pools.close()


@pytest.mark.parametrize("phase", REUSED_IN)
def test_numbers_of_dead_processes_are_given_out_again(tmp_path: Path, phase: str) -> None:
    require_root("choose process ids")
    namespace = ["/usr/bin/env", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with places(tmp_path):
        ran = subprocess.run(
            [*namespace, sys.executable, "-m", "tests.crashes.pid_reuse", phase],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=2 * BOUND,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["innocents"] == told["numbers"]
    assert told["alive"] == [True, True, True]
    assert (told["noted before"], told["noted"]) == (1, [])


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    with places(tmp_path_factory.mktemp("kernels")):
        kernels = Kernels()
        yield kernels
        kernels.close()
        check_nothing_is_left()


@pytest.mark.parametrize("phase", PHASES)
def test_a_kernel_is_stopped_for_a_while(kernels: Kernels, phase: str) -> None:
    kernel = kernels.lasting
    told = kernel.tell(phase)
    os.kill(told["kernel"], signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)  # that long is the fault
    os.kill(told["kernel"], signal.SIGCONT)
    errors = kernel.tell("go on")

    assert set(errors.values()) <= {None}


@pytest.mark.parametrize("phase", PHASES)
def test_a_kernel_is_killed(kernels: Kernels, phase: str) -> None:
    kernel = kernels.new()
    told = kernel.tell(phase)
    family = psutil.Process(told["kernel"]).children(recursive=True)
    everything = {found for process in family if (found := identity_of(process.pid))}
    kernel.kill()

    assert wait_ended(everything, seconds=BOUND) == set()
    swept = sweep(state_directory())
    assert [orphans.survivors for orphans in swept if orphans.survivors] == []
    assert told["kernel"] not in {run.kernel.pid for run in noted()}


@contextmanager
def places(state: Path | None = None) -> Iterator[None]:
    """Gives the kernels of a test a runtime directory, and perhaps a registry, of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="sp-") as runtime,  # the path of a socket must be short
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("XDG_RUNTIME_DIR", runtime)
        if state is not None:
            patched.setenv("XDG_STATE_HOME", str(state))
        yield


def suffer(scene: Scene, fault: Fault, phase: str) -> None:
    """One cell: brings the pool into the phase, strikes, and looks at what comes of it."""
    scene.reach(phase)
    fault.strike(scene)
    check_outcomes(fault, phase, scene.finish())
    if not scene.pool.is_running:
        return
    if fault.course is Course.ILLNESS:
        check_ill(scene, fault)
    if fault.course is Course.DEATH and phase in (*DOES_NOT_START, "idle"):
        until(lambda: any(re.search(fault.words, told) for told in scene.pool.status().problems))
    check_whole(scene.pool)


def check_outcomes(fault: Fault, phase: str, errors: dict[str, BaseException | None]) -> None:
    for name, error in errors.items():
        assert error is None or isinstance(error, SnakepitError), (name, error)
        must_be_well = name in ("waiting", "stopping") or fault.course is Course.THAW
        if fault.course is Course.ILLNESS:
            check_words_of_illness(fault, name, error)
        elif must_be_well or (name == "retried" and error is None):
            assert error is None, (name, error)
        else:
            assert isinstance(error, WorkerCrashedError), (name, phase, error)
            assert re.search(fault.words, error.message), error.message
            assert error.progress is not Progress.UNKNOWN, error.message


def check_words_of_illness(fault: Fault, name: str, error: SnakepitError | None) -> None:
    if error is not None:
        assert isinstance(error, ToolError | WorkerCrashedError | PoolError), (name, error)
        words = f"{type(error).__name__}: {error}"
        assert re.search(fault.words, words), (name, words)


def check_ill(scene: Scene, fault: Fault) -> None:
    """Calls one that is ill, or dead by now, and lets another take its place."""
    error = in_thread(lambda: scene.pool.call("echo", value=1)).exception(BOUND)
    assert error is None or isinstance(error, SnakepitError)
    check_words_of_illness(fault, "call", error)
    scene.until_the_end.close()
    scene.pool.resize(scene.pool.settings.workers)
    assert in_thread(scene.pool.restart).exception(BOUND) is None


def check_nothing_is_left() -> None:
    """No run of this process is noted, once a sweep has cleared what could not be noted."""
    sweep(state_directory())
    assert [run for run in noted() if run.kernel.pid == os.getpid()] == []
    assert list(Path(os.environ["XDG_RUNTIME_DIR"]).glob("snakepit/*")) == []


def noted() -> list[RunEntry]:
    registry = Registry(state_directory())
    runs = [run for run, _ in registry.runs().values()]
    registry.close()
    return runs
