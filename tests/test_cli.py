"""The command `snakepit-nb`, as it is installed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_nb.launch.identity import is_running
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import state_directory

from .launch.leaving import RESERVED, active, dead, leave
from .launch.sleepers import sleeper

pytestmark = pytest.mark.process

COMMAND = Path(sys.executable).with_name("snakepit-nb")
HEAVY = {"IPython", "anyio", "asyncio", "grpc", "ipywidgets", "psutil"}


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    registry = Registry(state_directory())
    yield registry
    registry.close()


def test_where_nothing_is_left_it_says_so_and_makes_no_file(tmp_path: Path) -> None:
    assert told("orphans") == "No killed kernel has left anything."
    assert told("orphans", "--json") == "[]"
    assert list(tmp_path.iterdir()) == []


def test_orphans_are_listed_and_ended_by_kill_only(registry: Registry) -> None:
    run = dead()
    with sleeper() as worker:
        leave(registry, run, active("w0", worker), RESERVED)

        listed = told("orphans")
        (plain,) = json.loads(told("orphans", "--json"))
        assert is_running(worker)
        ended = told("orphans", "--kill")
        assert not is_running(worker)

    assert listed.startswith("Left by killed kernels: 1 process, 1 run\n")
    assert f"{worker.pid} runs" in listed
    assert plain["kernel_pid"] == run.kernel.pid
    assert plain["processes"] == [worker.pid]
    assert [each["state"] for each in plain["workers"]] == ["active", "reserved"]
    assert ended.startswith("Ended and removed: 1 process, 1 run\n")
    assert told("orphans") == "No killed kernel has left anything."


def test_a_wrong_word_is_told_with_the_right_ones() -> None:
    failed = subprocess.run([COMMAND, "orphan"], capture_output=True, text=True, check=False)

    assert failed.returncode == 2
    assert "orphans" in failed.stderr


def test_the_doctor_tries_a_worker_and_its_status_tells_whether_pools_work() -> None:
    assert told("doctor").startswith("Pools work here")
    checks = json.loads(told("doctor", "--json"))["checks"]

    assert checks["worker"]["verdict"] == "ok"
    assert checks["worker"]["values"]["call_milliseconds"] > 0
    assert checks["ports"]["values"] == {"listening": []}


def test_the_doctor_looks_on_where_grpc_is_broken(tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ImportError('built for another machine')")
    ran = subprocess.run(
        [COMMAND, "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    checks = json.loads(ran.stdout)["checks"]
    assert (ran.returncode, ran.stderr) == (1, "")
    assert checks["worker"]["seen"] == "ImportError: built for another machine"
    assert checks["memory"]["verdict"] == "ok"


def test_it_loads_nothing_heavy() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from snakepit_nb.cli import main; main(['orphans']); print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert set(loaded) & HEAVY == set()


def told(*arguments: str) -> str:
    ran = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()
