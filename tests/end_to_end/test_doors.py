"""Whatever way a pool's process ends, nothing of the pool is left, and it does not take long.

Neither processes nor sockets nor directories; nor rows in the registry, but where the process could
do nothing any more: those are cleared by the next that starts a pool.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.identity import Identity, identity_of
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import runs_directory, state_directory
from snakepit_nb.launch.sweep import sweep

from .door_tools import STATES
from .kernel_driver import Kernel, open_kernel

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("scripts") / "leaves_by_a_door.py"
SECONDS_TO_STOP = 10.0
"""Told to end, kept waiting for 6 s, and killed: with a margin for a busy machine."""
SECONDS_AFTER_A_KILL = 5.0

ORDERLY = {"end": 0, "stop": 0, "exception": 1, "SIGINT": -2}
"""Doors of a script behind which Python still cleans up, with the status that it ends with."""
ABRUPT = {"exit": 5, "SIGTERM": -15, "SIGKILL": -9, "SIGSEGV": -11}

PREPARE = "from tests.end_to_end.door_tools import prepare\nprepare({state!r})"


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("door", [*ORDERLY, *ABRUPT])
def test_a_script_leaves_nothing(door: str, state: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), door, state],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as script:
        assert script.stdin is not None
        assert script.stdout is not None
        everything = identities(json.loads(script.stdout.readline()))
        script.stdin.write("\n")
        script.stdin.flush()
        if door.startswith("SIG"):
            script.send_signal(signal.Signals[door])
        status = script.wait(timeout=SECONDS_TO_STOP)

    assert status == {**ORDERLY, **ABRUPT}[door]
    check_nothing_is_left(everything, is_noted=door in ABRUPT)


@pytest.mark.parametrize("state", STATES)
def test_a_stop_leaves_nothing_and_a_second_one_is_harmless(state: str, tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        everything = prepared(kernel, state)
        now = "--now" if state == "busy" else ""  # else it waits for what runs for ever
        begun = time.monotonic()
        said = [kernel.check(f"%snakepit stop {now}").text for _ in range(2)]
        seconds = time.monotonic() - begun

        check_nothing_is_left(everything)
    assert said == ["Stopped.\n", "No pool runs.\n"]
    assert seconds < SECONDS_TO_STOP


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("door", ["shutdown", "restart"])
def test_a_kernel_that_is_shut_down_or_restarted_leaves_nothing(
    door: str, state: str, tmp_path: Path
) -> None:
    with open_kernel(tmp_path) as kernel:
        everything = prepared(kernel, state)
        begun = time.monotonic()
        if door == "restart":
            kernel.manager.restart_kernel()
        else:
            kernel.manager.shutdown_kernel()
        seconds = time.monotonic() - begun

        check_nothing_is_left(everything)
    assert seconds < SECONDS_TO_STOP


@pytest.mark.parametrize("state", STATES)
def test_a_kernel_that_is_terminated_leaves_nothing(state: str, tmp_path: Path) -> None:
    with open_kernel(tmp_path) as kernel:
        everything = prepared(kernel, state)
        os.kill(kernel.pid, signal.SIGTERM)

        check_nothing_is_left(everything, is_noted=True)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("tool", ["nbclient", "nbconvert"])
def test_a_notebook_that_a_program_runs_leaves_nothing(
    tool: str, state: str, tmp_path: Path
) -> None:
    cells = ["%load_ext snakepit_nb", PREPARE.format(state=state)]
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])  # type: ignore[no-untyped-call]
    if tool == "nbclient":
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    else:
        notebook = converted(notebook, tmp_path)
    pids = json.loads(notebook.cells[-1].outputs[-1]["data"]["text/plain"])

    # The kernel has ended before its numbers are read here.
    check_nothing_is_left({found for pid in pids if (found := identity_of(pid))})


def converted(notebook: nbformat.NotebookNode, directory: Path) -> nbformat.NotebookNode:
    source, target = directory / "source.ipynb", directory / "target.ipynb"
    nbformat.write(notebook, source)  # type: ignore[no-untyped-call]
    command = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", str(target)]
    subprocess.run([sys.executable, *command, str(source)], check=True, capture_output=True)
    result: nbformat.NotebookNode = nbformat.read(target, as_version=4)  # type: ignore[no-untyped-call]
    return result


def prepared(kernel: Kernel, state: str) -> set[Identity]:
    kernel.check("%load_ext snakepit_nb")
    return identities(kernel.check(PREPARE.format(state=state)).value)


def identities(pids: list[int]) -> set[Identity]:
    found = {identity for pid in pids if (identity := identity_of(pid))}
    assert len(found) == len(pids) >= 3
    return found


def check_nothing_is_left(everything: set[Identity], *, is_noted: bool = False) -> None:
    """Looks at processes, sockets and rows; `is_noted`: the rows are left for the next kernel."""
    assert wait_ended(everything, seconds=SECONDS_AFTER_A_KILL) == set()
    assert list(Path(os.environ["XDG_RUNTIME_DIR"], "snakepit").iterdir()) == []
    state = state_directory()
    swept = sweep(state)
    assert len(swept) == is_noted
    assert all(not orphans.processes for orphans in swept)
    registry = Registry(state)
    assert registry.runs() == {}
    registry.close()
    assert list(runs_directory(state).iterdir()) == []
