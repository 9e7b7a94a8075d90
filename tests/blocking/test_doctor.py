"""What the doctor sees and says; the verdicts by values, the rest on this machine."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking import face
from snakepit_nb.blocking.doctor.examination import examine
from snakepit_nb.blocking.doctor.facts import (
    Descriptors,
    Interpreter,
    Memory,
    OrphanCount,
    Processes,
    RegistryPlace,
    RuntimePlace,
    SharedMemory,
    Trial,
)
from snakepit_nb.blocking.doctor.findings import Examination, Finding, Verdict, worst
from snakepit_nb.blocking.doctor.judging import (
    judge_exits,
    judge_interpreters,
    judge_orphans,
    judge_registry,
    judge_runtime,
    judge_trial,
    judge_versions,
    release,
)
from snakepit_nb.blocking.doctor.judging_limits import (
    judge_descriptors,
    judge_memory,
    judge_processes,
    judge_shared_memory,
)
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import state_directory
from tests.launch.leaving import active, dead, leave
from tests.launch.sleepers import sleeper

GIB = 1024**3
KERNEL = Interpreter(executable="python", python="3.11.7", versions={"grpcio": "1.85.1"})
TRIAL = Trial(worker=KERNEL, start_seconds=0.5, call_seconds=0.001, stop_seconds=0.1, problems=())
RUNTIME = RuntimePlace(directory="/run/snakepit/a", preferred="/run", path_bytes=40, free_bytes=GIB)
REGISTRY = RegistryPlace(
    path="registry.db",
    is_there=True,
    is_writable=True,
    is_on_network=False,
    problem="",
    live_runs=1,
    live_workers=2,
    dead_runs=0,
)
DESCRIPTORS = Descriptors(opened=100, soft=1024, hard=4096)
PROCESSES = Processes(of_user=100, user_limit=1000, of_group=10, group_limit=100)
MEMORY = Memory(total=8 * GIB, available=4 * GIB, group_limit=None, group_used=0)

CHECKS = [
    "versions",
    "worker",
    "interpreter",
    "runtime_directory",
    "registry",
    "orphans",
    "descriptors",
    "processes",
    "memory",
    "shared_memory",
    "ports",
    "last_exits",
]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("finding", "verdict", "words"),
    [
        (judge_versions({"grpcio": "1.85.1"}, {"grpcio": "1.80"}), "ok", "grpcio 1.85.1"),
        (judge_versions({"grpcio": "1.9.0"}, {"grpcio": "1.80"}), "fault", "(needed: 1.80)"),
        (judge_versions({"grpcio": None}, {}), "fault", "grpcio missing"),
        (judge_interpreters(KERNEL, None, ()), "ok", "unless `--python`"),
        (judge_interpreters(KERNEL, KERNEL, ["other"]), "ok", "pools run with other"),
        (
            judge_interpreters(KERNEL, replace(KERNEL, python="3.13.1"), ()),
            "warning",
            "Python 3.13.1 for 3.11.7",
        ),
        (
            judge_interpreters(KERNEL, replace(KERNEL, versions={}), ()),
            "warning",
            "grpcio None for 1.85.1",
        ),
        (judge_trial(TRIAL), "ok", "1.0 ms"),
        (judge_trial(replace(TRIAL, start_seconds=20.0)), "warning", "busy or slow"),
        (judge_trial(replace(TRIAL, problems=("Not noted.",))), "warning", "Not noted."),
        (judge_runtime(RUNTIME), "ok", "40 of 107 bytes"),
        (judge_runtime(replace(RUNTIME, preferred="/other")), "warning", "$XDG_RUNTIME_DIR"),
        (judge_runtime(replace(RUNTIME, path_bytes=120)), "fault", "shorter path"),
        (judge_runtime(replace(RUNTIME, free_bytes=0)), "fault", "Make room"),
        (judge_registry(REGISTRY), "ok", "1 live runs with 2 workers, 0 dead"),
        (judge_registry(replace(REGISTRY, is_there=False)), "ok", "is made when"),
        (judge_registry(replace(REGISTRY, problem="locked")), "warning", "locked"),
        (judge_registry(replace(REGISTRY, is_writable=False)), "warning", "cannot be written"),
        (judge_registry(replace(REGISTRY, is_on_network=True)), "warning", "on the network"),
        (judge_orphans(OrphanCount(runs=0, processes=())), "ok", "none"),
        (judge_orphans(OrphanCount(runs=1, processes=())), "ok", "0 processes of 1"),
        (judge_orphans(OrphanCount(runs=1, processes=(7,))), "warning", "orphans --kill"),
        (judge_exits({}), "ok", "no pool runs"),
        (judge_exits({"p": ()}), "ok", "has ended on its own"),
        (judge_exits({"p": ("one", "two")}), "warning", "p: two"),
        (judge_descriptors(DESCRIPTORS, 2), "ok", "2 workers need 132 of 1024"),
        (judge_descriptors(DESCRIPTORS, 500), "fault", "ulimit -n 4096"),
        (judge_descriptors(DESCRIPTORS, 5000), "fault", "fewer workers"),
        (judge_descriptors(replace(DESCRIPTORS, soft=None), 5000), "ok", "no limit"),
        (judge_processes(PROCESSES, 2), "ok", "2 workers need 24 threads"),
        (judge_processes(PROCESSES, 8), "fault", "10 of 100"),
        (judge_processes(replace(PROCESSES, group_limit=None), 8), "ok", "no limit"),
        (judge_memory(MEMORY, 2), "ok", "4.0 GiB are free of 8.0 GiB"),
        (judge_memory(MEMORY, 200), "warning", "fewer workers"),
        (judge_memory(replace(MEMORY, group_limit=GIB, group_used=GIB), 2), "warning", "0 MiB"),
        (judge_shared_memory(SharedMemory(total=GIB, free=GIB)), "ok", "1.0 GiB of 1.0 GiB"),
        (judge_shared_memory(SharedMemory(total=GIB, free=0)), "warning", "--shm-size"),
        (judge_shared_memory(SharedMemory(total=None, free=0)), "ok", "no /dev/shm"),
    ],
)
def test_each_verdict_comes_with_what_was_seen(finding: Finding, verdict: str, words: str) -> None:
    assert finding.verdict == verdict
    assert words in f"{finding.seen} {finding.advice}"
    assert bool(finding.advice) == (verdict != "ok")
    json.dumps(finding.values)


def test_the_worst_verdict_is_that_of_all() -> None:
    assert worst([]) is Verdict.OK
    assert worst([Verdict.WARNING, Verdict.OK]) is Verdict.WARNING
    assert worst([Verdict.FAULT, Verdict.WARNING]) is Verdict.FAULT


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.85.1", (1, 85, 1)), ("1.86.0rc1", (1, 86, 0)), ("2.dev3", (2,)), ("", ())],
)
def test_the_numbers_of_a_version_are_read(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


@pytest.mark.process
def test_it_tries_a_worker_and_leaves_nothing(tmp_path: Path) -> None:
    examined = face.doctor()

    assert list(found(examined)) == CHECKS
    assert found(examined)["worker"].verdict is Verdict.OK
    assert found(examined)["interpreter"].verdict is Verdict.OK
    assert found(examined)["interpreter"].values["worker"] == sys.executable
    assert found(examined)["registry"].values["live_runs"] == 0
    assert list((tmp_path / "snakepit" / "runs").iterdir()) == []
    assert snakepit.pools() == ()


def test_a_quick_look_starts_nothing_and_makes_no_file(tmp_path: Path) -> None:
    examined = examine(quick=True)

    assert list(found(examined)) == [name for name in CHECKS if name != "worker"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_an_interpreter_that_is_not_there_is_a_fault_and_the_rest_is_told() -> None:
    examined = examine(python="/no/such/python")

    assert examined.verdict is Verdict.FAULT
    assert "/no/such/python" in found(examined)["worker"].seen
    assert list(found(examined)) == CHECKS


def test_a_runtime_directory_that_others_can_enter_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "snakepit"
    shared.mkdir(mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("snakepit_nb.launch.runtime_directory.LONGEST_SOCKET_PATH", 1000)

    finding = found(examine(quick=True))["runtime_directory"]

    assert finding.verdict is Verdict.FAULT
    assert f"chmod 700 {shared}" in finding.seen


@pytest.mark.process
def test_orphans_are_told_and_run_on() -> None:
    registry = Registry(state_directory())
    with sleeper() as worker:
        leave(registry, dead(), active("w0", worker))
        registry.close()

        findings = [found(examine(quick=True)) for _ in range(2)]

    assert all(
        each["orphans"].values == {"runs": 1, "processes": [worker.pid]} for each in findings
    )
    assert findings[0]["registry"].values["dead_runs"] == 1


@pytest.mark.process
@pytest.mark.timeout(60)
def test_the_pools_that_run_tell_why_a_worker_has_ended() -> None:
    with snakepit.start(workers=1, name="ill") as pool:
        quiet = found(face.doctor(quick=True))["last_exits"]
        with pytest.raises(snakepit.SnakepitError):
            pool.submit(os._exit, 7).result()
        pool.wait_ready()

        told = found(face.doctor(quick=True))["last_exits"]

    assert quiet.verdict is Verdict.OK
    assert told.verdict is Verdict.WARNING
    assert "exit code 7" in told.seen


def test_a_limit_that_is_too_low_is_a_fault_and_the_commands_status() -> None:
    command = 'ulimit -Sn 100; exec "$0" -m snakepit_nb.cli doctor --quick -n 50 --json'
    ran = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False
    )

    told = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert told["verdict"] == "fault"
    assert told["checks"]["descriptors"]["verdict"] == "fault"
    assert told["checks"]["descriptors"]["values"]["soft"] == 100
    assert "ulimit -n" in told["checks"]["descriptors"]["advice"]


def found(examined: Examination) -> dict[str, Finding]:
    return {finding.name: finding for finding in examined.findings}
