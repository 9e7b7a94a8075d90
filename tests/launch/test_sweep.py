"""The sweep, over forged rows and real processes."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from snakepit_nb.launch import clearing
from snakepit_nb.launch.ending import wait_ended
from snakepit_nb.launch.environment import RUN_ID_VARIABLE
from snakepit_nb.launch.file_lock import lock, locked
from snakepit_nb.launch.identity import is_running
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry
from snakepit_nb.launch.run_record import RunRecord
from snakepit_nb.launch.state_directory import runs_directory
from snakepit_nb.launch.sweep import list_orphans, sweep

from .leaving import RESERVED, active, dead, leave
from .sleepers import sleeper

pytestmark = pytest.mark.process


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path / "snakepit")
    yield registry
    registry.close()


@pytest.fixture
def dead_run(tmp_path: Path) -> RunEntry:
    """The run of a kernel that has ended."""
    directory = tmp_path / "snakepit-sockets"
    directory.mkdir()
    (directory / "1.sock").touch()
    return dead(str(directory))


def test_the_workers_of_a_dead_run_are_killed_and_all_of_it_is_removed(
    registry: Registry, dead_run: RunEntry
) -> None:
    with sleeper() as worker, sleeper(group=worker.pid) as child, sleeper() as foreign:
        leave(registry, dead_run, active("w0", worker), RESERVED)

        (swept,) = sweep(registry.state)

        assert swept.processes == (worker,)
        assert not is_running(worker)
        assert wait_ended([child], seconds=5) == set()
        assert is_running(foreign)
    assert left_of(registry, dead_run) == set()


def test_what_is_in_no_row_is_found_by_its_mark(registry: Registry, dead_run: RunEntry) -> None:
    with (
        sleeper(environment={RUN_ID_VARIABLE: dead_run.run_id}) as spawned,
        sleeper(environment={RUN_ID_VARIABLE: "0" * 16}) as of_another_run,
    ):
        leave(registry, dead_run, RESERVED)

        sweep(registry.state)

        assert not is_running(spawned)
        assert is_running(of_another_run)


def test_a_run_of_which_only_the_lock_is_left_is_swept_by_its_mark(
    registry: Registry, dead_run: RunEntry
) -> None:
    with sleeper(environment={RUN_ID_VARIABLE: dead_run.run_id}) as spawned:
        leave(registry, dead_run, RESERVED)
        registry.close()
        registry.path.unlink()

        (swept,) = sweep(registry.state)

        assert (swept.run, swept.processes) == (None, (spawned,))
        assert not is_running(spawned)
    assert not lock_path(registry, dead_run).exists()


def test_a_number_that_belongs_to_another_process_now_kills_nobody(
    registry: Registry, dead_run: RunEntry
) -> None:
    with sleeper() as foreign:
        leave(
            registry, dead_run, active("w0", replace(foreign, start_ticks=foreign.start_ticks - 1))
        )

        (swept,) = sweep(registry.state)

        assert swept.processes == ()
        assert is_running(foreign)
    assert left_of(registry, dead_run) == set()


def test_a_living_run_is_neither_listed_nor_swept(registry: Registry, tmp_path: Path) -> None:
    record = RunRecord.open(registry, [tmp_path / "snakepit-live"], print)
    with sleeper() as worker:
        record.reserve("w0")
        record.activate("w0", worker)
        record._save()

        assert list_orphans(registry.state) == sweep(registry.state) == ()
        assert is_running(worker)
    assert set(registry.runs()) == {record.run_id}
    record.close(is_all_ended=True)
    assert registry.runs() == {}


def test_a_fork_of_the_dead_kernel_that_holds_its_lock_keeps_no_run_alive(
    registry: Registry, dead_run: RunEntry
) -> None:
    leave(registry, dead_run, RESERVED)
    descriptor = lock(lock_path(registry, dead_run), seconds=0)
    with sleeper(holding=[descriptor]) as fork:
        os.close(descriptor)

        assert len(sweep(registry.state)) == 1
        assert is_running(fork)
    assert left_of(registry, dead_run) == set()
    assert list(runs_directory(registry.state).iterdir()) == []


def test_while_one_kernel_sweeps_a_run_no_other_does(
    registry: Registry, dead_run: RunEntry
) -> None:
    leave(registry, dead_run, RESERVED)
    path = lock_path(registry, dead_run)
    with locked(path, seconds=0), locked(path.with_suffix(".sweep"), seconds=0):
        assert sweep(registry.state) == ()
    assert len(sweep(registry.state)) == 1


def test_a_kernel_of_another_pid_namespace_lives_as_long_as_its_lock_is_held(
    registry: Registry, dead_run: RunEntry
) -> None:
    elsewhere = replace(dead_run, kernel=replace(dead_run.kernel, boot_id="another container"))
    leave(registry, elsewhere, RESERVED)
    held = lock(lock_path(registry, elsewhere), seconds=0)

    assert sweep(registry.state) == ()
    os.close(held)
    assert len(sweep(registry.state)) == 1


def test_the_runs_of_another_machine_are_left_alone(registry: Registry, dead_run: RunEntry) -> None:
    elsewhere = replace(
        dead_run,
        host="another-machine",
        kernel=replace(dead_run.kernel, boot_id="its own boot"),
    )
    leave(registry, elsewhere, RESERVED)

    assert list_orphans(registry.state) == sweep(registry.state) == ()
    assert left_of(registry, elsewhere) == {"row", "lock", "directory"}


def test_a_machine_that_has_got_another_name_still_knows_its_runs(
    registry: Registry, dead_run: RunEntry
) -> None:
    leave(registry, replace(dead_run, host="its-former-name"), RESERVED)

    assert len(sweep(registry.state)) == 1


def test_the_processes_of_an_earlier_boot_are_not_looked_for(
    registry: Registry, dead_run: RunEntry
) -> None:
    earlier = replace(dead_run, kernel=replace(dead_run.kernel, boot_id="an earlier boot"))
    with sleeper() as same_numbers:
        leave(registry, earlier, active("w0", same_numbers))

        assert len(sweep(registry.state)) == 1
        assert is_running(same_numbers)
    assert left_of(registry, earlier) == set()


def test_the_run_that_this_process_descends_from_is_left_alone(
    registry: Registry, dead_run: RunEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_ID_VARIABLE, dead_run.run_id)
    leave(registry, dead_run, RESERVED)

    assert sweep(registry.state) == ()


def test_listing_changes_nothing(registry: Registry, dead_run: RunEntry) -> None:
    with sleeper() as worker:
        leave(registry, dead_run, active("w0", worker), RESERVED)

        (orphans,) = list_orphans(registry.state)

        assert orphans.run == dead_run
        assert [each.name for each in orphans.workers] == ["w0", "w9"]
        assert orphans.processes == (worker,)
        assert is_running(worker)
    assert left_of(registry, dead_run) == {"row", "lock", "directory"}


def test_listing_makes_no_file_where_there_is_none(tmp_path: Path) -> None:
    assert list_orphans(tmp_path / "snakepit") == ()
    assert not (tmp_path / "snakepit").exists()


def test_a_guardian_that_was_stopped_and_does_not_end_is_killed(
    registry: Registry, dead_run: RunEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "GUARDIAN_SECONDS", 0.05)
    with sleeper() as guardian:
        os.kill(guardian.pid, signal.SIGSTOP)
        leave(registry, replace(dead_run, guardian=guardian), RESERVED)

        sweep(registry.state)

        assert not is_running(guardian)


def test_only_what_is_ours_by_its_name_is_removed_of_a_runs_paths(
    registry: Registry, dead_run: RunEntry, tmp_path: Path
) -> None:
    precious = tmp_path / "mine" / "thesis"
    precious.mkdir(parents=True)
    (precious / "text").touch()
    leave(registry, replace(dead_run, paths=(str(precious), *dead_run.paths)), RESERVED)

    sweep(registry.state)

    assert (precious / "text").exists()
    assert left_of(registry, dead_run) == set()


def test_a_registry_that_cannot_be_read_does_not_keep_processes_alive(
    registry: Registry, dead_run: RunEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snakepit_nb.launch.registry.BUSY_SECONDS", 0.05)
    with (
        sleeper(environment={RUN_ID_VARIABLE: dead_run.run_id}) as worker,
        open_registry(registry) as holder,
    ):
        leave(registry, dead_run, active("w0", worker))
        holder.execute("BEGIN IMMEDIATE")

        sweep(registry.state)

        assert not is_running(worker)
        holder.execute("ROLLBACK")
        assert len(sweep(registry.state)) == 1
    assert left_of(registry, dead_run) == set()


def left_of(registry: Registry, run: RunEntry) -> set[str]:
    found = {
        "row": run.run_id in registry.runs(),
        "lock": lock_path(registry, run).exists(),
        "directory": Path(run.paths[-1]).exists(),
    }
    return {what for what, is_there in found.items() if is_there}


def lock_path(registry: Registry, run: RunEntry) -> Path:
    return runs_directory(registry.state) / f"{run.run_id}.lock"


@contextmanager
def open_registry(registry: Registry) -> Iterator[sqlite3.Connection]:
    registry.runs()
    connection = sqlite3.connect(registry.path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
