import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from snakepit_nb.launch import registry as registry_module
from snakepit_nb.launch.identity import own_identity
from snakepit_nb.launch.registry import Registry, RegistryProblem
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry, WorkerState

SAVE_AND_DIE = """
import os, pathlib, signal, sys
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry, WorkerState
run = RunEntry.of_this_process("/somewhere/snakepit")
worker = WorkerEntry(name="w0", state=WorkerState.RESERVED)
Registry(pathlib.Path(sys.argv[1])).save(run, [worker], [])
os.kill(os.getpid(), signal.SIGKILL)
"""

W0 = WorkerEntry(name="w0", state=WorkerState.RESERVED)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path / "snakepit")
    yield registry
    registry.close()


@pytest.fixture
def run() -> RunEntry:
    return RunEntry.of_this_process("/somewhere/snakepit/1", "/elsewhere/snakepit-2")


def test_a_run_is_read_as_it_was_saved(registry: Registry, run: RunEntry) -> None:
    run = replace(run, guardian=own_identity())
    active = WorkerEntry(name="w1", state=WorkerState.ACTIVE, process=own_identity())

    assert registry.save(run, [W0, active], [])
    assert registry.runs() == {run.run_id: (run, (W0, active))}


def test_a_worker_goes_through_its_states_and_is_removed(registry: Registry, run: RunEntry) -> None:
    registry.save(run, [W0], [])
    terminating = WorkerEntry(name="w0", state=WorkerState.TERMINATING, process=own_identity())

    assert not registry.save(run, [terminating], [])
    assert registry.runs()[run.run_id][1] == (terminating,)
    registry.save(run, [], ["w0"])
    assert registry.runs() == {run.run_id: (run, ())}
    registry.forget(run.run_id)
    assert registry.runs() == {}


@pytest.mark.process
def test_what_was_saved_is_there_after_a_kill_at_the_next_moment(registry: Registry) -> None:
    killed = subprocess.run([sys.executable, "-c", SAVE_AND_DIE, str(registry.state)], check=False)

    assert killed.returncode == -signal.SIGKILL
    ((run, workers),) = registry.runs().values()
    assert run.paths == ("/somewhere/snakepit",)
    assert workers == (W0,)


def test_only_this_user_can_enter_its_directory(registry: Registry, run: RunEntry) -> None:
    registry.save(run, [], [])

    assert registry.state.stat().st_mode & 0o777 == 0o700


def test_two_kernels_write_to_one_file(registry: Registry, run: RunEntry) -> None:
    other, other_run = Registry(registry.state), replace(run, run_id="of the other")
    for name in ("w0", "w1"):
        registry.save(run, [replace(W0, name=name)], [])
        other.save(other_run, [replace(W0, name=name)], [])
    other.forget(other_run.run_id)
    other.close()

    assert [len(workers) for _, workers in registry.runs().values()] == [2]


def test_a_deleted_file_is_made_again_and_the_run_is_told_to_be_new(
    registry: Registry, run: RunEntry
) -> None:
    registry.save(run, [W0], [])
    registry.path.unlink()

    assert registry.save(run, [replace(W0, name="w1")], [])
    assert len(registry.runs()[run.run_id][1]) == 1


def test_a_kernel_that_still_uses_a_deleted_file_shares_nothing_with_its_successor(
    registry: Registry, run: RunEntry
) -> None:
    other = Registry(registry.state)
    other.save(replace(run, run_id="of the other"), [W0], [])
    registry.save(run, [W0], [])
    registry.path.unlink()

    registry.save(run, [W0], [])
    other.close()
    registry.save(run, [replace(W0, name="w1")], [])

    assert {each: len(workers) for each, (_, workers) in registry.runs().items()} == {run.run_id: 2}


@pytest.mark.parametrize("damage", ["no database", "overwritten", "other tables"])
def test_a_damaged_file_is_set_aside_and_made_again(
    registry: Registry, run: RunEntry, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    registry.save(run, [W0], [])
    registry.close()
    do_damage(registry.path, damage)

    assert registry.save(run, [W0], [])
    assert registry.runs() == {run.run_id: (run, (W0,))}
    (record,) = caplog.records
    assert "was damaged" in record.getMessage()
    assert len(list(registry.state.glob("registry.db.damaged-*[0-9]"))) == 1


def test_a_kernel_that_has_the_file_open_notices_that_another_has_set_it_aside(
    registry: Registry, run: RunEntry
) -> None:
    registry.save(run, [W0], [])
    with sqlite3.connect(registry.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    do_damage(registry.path, "overwritten")
    other, other_run = Registry(registry.state), replace(run, run_id="of the other")

    assert other.save(other_run, [W0], [])
    assert registry.save(run, [W0], [])
    other.close()
    assert set(registry.runs()) == {run.run_id, "of the other"}


def test_a_file_that_another_has_made_again_meanwhile_is_not_set_aside(
    registry: Registry, run: RunEntry
) -> None:
    registry.save(run, [W0], [])

    registry._set_aside(sqlite3.DatabaseError("as it was a moment ago"))

    assert registry.runs() == {run.run_id: (run, (W0,))}
    assert list(registry.state.glob("*damaged*")) == []


def test_a_file_of_another_version_is_left_as_it_is(registry: Registry, run: RunEntry) -> None:
    registry.save(run, [W0], [])
    registry.close()
    with sqlite3.connect(registry.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(RegistryProblem, match="is of another version"):
        registry.save(run, [W0], [])
    assert list(registry.state.glob("*damaged*")) == []


def test_a_file_that_stays_locked_is_a_problem_and_no_longer_when_it_is_free(
    registry: Registry, run: RunEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "BUSY_SECONDS", 0.05)
    registry.save(run, [], [])
    registry.close()
    holder = sqlite3.connect(registry.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RegistryProblem, match="locked"):
            registry.save(run, [W0], [])
    finally:
        holder.close()

    registry.save(run, [W0], [])
    assert registry.runs()[run.run_id][1] == (W0,)


@pytest.mark.process
def test_a_fork_has_a_way_of_its_own_and_leaves_that_of_the_kernel_alone(
    registry: Registry, run: RunEntry
) -> None:
    registry.save(run, [W0], [])
    child = os.fork()
    if child == 0:
        registry.save(replace(run, run_id="of the fork"), [], [])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    assert not registry.save(run, [replace(W0, name="w1")], [])
    assert {each: len(workers) for each, (_, workers) in registry.runs().items()} == {
        run.run_id: 2,
        "of the fork": 0,
    }


def do_damage(path: Path, damage: str) -> None:
    match damage:
        case "no database":
            path.write_bytes(b"this is no database, it is a text\n" * 200)
        case "overwritten":
            with path.open("r+b") as file:  # the first page says what is where
                file.seek(100)
                file.write(os.urandom(8000))
        case _:
            path.unlink()
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE run (of_what TEXT)")
            connection.close()
