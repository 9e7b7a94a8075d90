"""What a launcher notes of its workers, when, and what it does where it cannot."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.to_thread
import pytest

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.launch import registry as registry_module
from snakepit_nb.launch.guardian_client import GuardianClient
from snakepit_nb.launch.identity import Identity, identity_of, is_running
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.run_entries import RunEntry, WorkerEntry, WorkerState
from snakepit_nb.launch.run_record import RunRecord
from snakepit_nb.launch.state_directory import runs_directory, state_directory
from snakepit_nb.launch.subprocess_launcher import SubprocessLauncher, open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker

from .sleepers import ended_process
from .specs import STAND_IN, spec

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    registry = Registry(state_directory())
    yield registry
    registry.close()


async def test_a_worker_is_noted_before_it_is_started_and_until_it_was_seen_to_have_ended(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered, may_go = anyio.Event(), anyio.Event()
    order = GuardianClient._order

    async def held(*arguments: Any, **named: Any) -> bool:  # noqa: ANN401
        ordered.set()
        await may_go.wait()
        return await order(*arguments, **named)

    monkeypatch.setattr(GuardianClient, "_order", held)
    async with (
        open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(start_in_vain, launcher)
        await ordered.wait()
        (before,) = only_run(registry)[1]
        may_go.set()
        (after,) = await workers_when(registry, lambda workers: workers[0].process is not None)
        assert after.process is not None
        os.kill(after.process.pid, signal.SIGKILL)
        await workers_when(registry, lambda workers: not workers)

    assert before == WorkerEntry(name="w0", state=WorkerState.RESERVED)
    assert after.state is WorkerState.ACTIVE


async def test_a_note_is_on_the_disk_when_its_flush_returns_though_another_flush_writes_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, may_write = Event(), Event()
    save = registry.save

    def held(*arguments: Any) -> bool:  # noqa: ANN401
        writing.set()
        may_write.wait()
        return save(*arguments)

    monkeypatch.setattr(registry, "save", held)
    record = RunRecord.open(registry, [tmp_path / "snakepit-1"], print)
    record.reserve("w0")
    record.reserve("w1")
    noted: list[int] = []

    async def flush() -> None:
        await record.flush()
        noted.append(len(only_run(registry)[1]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flush)
        await anyio.to_thread.run_sync(writing.wait)
        tasks.start_soon(flush)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert noted == []
        may_write.set()

    assert noted == [2, 2]
    record.close(is_all_ended=True)


async def test_a_run_says_who_its_kernel_and_its_guardian_are_and_ends_without_a_trace(
    registry: Registry,
) -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "tells")) as launcher:
        worker = await launcher.launch(spec())
        run, (entry,) = only_run(registry)
        told = json.loads(await first_line(worker))

        assert run.kernel.pid == os.getpid()
        assert run.guardian == identity_of(launcher.guardian_pid or 0)
        sockets = str(Path(worker.introduction.socket_path).parent)
        assert set(run.paths) == {sockets, *worker.introduction.buffer_directories}
        assert entry.process == identity_of(worker.pid)
        assert told["environment"]["SNAKEPIT_RUN_ID"] == run.run_id

    assert registry.runs() == {}
    assert list(runs_directory(registry.state).iterdir()) == []


async def test_a_worker_that_was_told_to_end_is_noted_as_such(registry: Registry) -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "stubborn")) as launcher:
        worker = await launcher.launch(spec())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.stop, 60)
            await workers_when(registry, lambda found: found[0].state is WorkerState.TERMINATING)
            await worker.kill()


@pytest.mark.parametrize("unusable", ["no directory", "open to others", "of another version"])
async def test_workers_start_without_a_registry_and_the_user_is_told_once(
    registry: Registry, caplog: pytest.LogCaptureFixture, unusable: str
) -> None:
    make_unusable(registry, unusable)
    problems: list[str] = []
    for _ in range(2):
        async with open_subprocess_launcher(
            command=(STAND_IN, "serve"), on_problem=problems.append
        ) as launcher:
            for name in ("w0", "w1"):
                assert (await (await launcher.launch(spec(name))).stop(grace=5)).exit_code == 0

    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "Workers are not noted in" in warning.getMessage()
    assert len(problems) >= 2  # each pool tells it, for each has it


@pytest.mark.timeout(60)
async def test_workers_start_while_the_registry_is_locked_and_wait_for_it_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "BUSY_SECONDS", 0.2)
    problems: list[str] = []
    async with open_subprocess_launcher(
        command=(STAND_IN, "serve"), on_problem=problems.append
    ) as launcher:
        await launcher.launch(spec("w0"))
        with locked_up(registry):
            for name in ("w1", "w2", "w3"):
                await launcher.launch(spec(name))
        assert len(problems) == 1
        record = launcher._guardian.record if launcher._guardian else None
        assert record is not None
        record._not_before = 0.0  # as a minute later
        await anyio.to_thread.run_sync(record.refresh)

        assert [worker.name for worker in only_run(registry)[1]] == ["w0", "w1", "w2", "w3"]


async def test_a_registry_that_somebody_deletes_is_written_again(registry: Registry) -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        await launcher.launch(spec("w0"))
        registry.path.unlink()
        await launcher.launch(spec("w1"))

        assert [worker.name for worker in only_run(registry)[1]] == ["w0", "w1"]
    assert registry.runs() == {}


async def test_a_dead_run_is_swept_when_a_launcher_opens_unless_that_is_not_wanted(
    registry: Registry,
) -> None:
    run = RunEntry(run_id="f" * 16, kernel=ended_process(), host=os.uname().nodename, created=0)
    registry.save(run, [WorkerEntry(name="w0", state=WorkerState.RESERVED)], [])

    async with open_subprocess_launcher(sweeps=False, command=(STAND_IN, "serve")) as launcher:
        await launcher.launch(spec())
        assert run.run_id in registry.runs()
    assert run.run_id in registry.runs()

    async with open_subprocess_launcher(command=(STAND_IN, "serve")):
        with anyio.fail_after(5):
            while run.run_id in registry.runs():
                await anyio.lowlevel.checkpoint()


async def test_a_dead_guardians_workers_end_with_all_that_they_started_and_no_others(
    registry: Registry,
) -> None:
    async with (
        open_subprocess_launcher(command=(STAND_IN, "has-daemon")) as launcher,
        open_subprocess_launcher(command=(STAND_IN, "has-daemon")) as other_launcher,
    ):
        worker, other = await launcher.launch(spec()), await other_launcher.launch(spec())
        daemon, other_daemon = await daemon_of(worker), await daemon_of(other)
        run_id = launcher._guardian.record.run_id if launcher._guardian else ""
        kill_guardian(launcher)

        with anyio.fail_after(5):
            assert (await worker.wait()).signal == signal.SIGKILL
        assert not is_running(daemon)
        assert identity_of(other.pid) is not None
        assert is_running(other_daemon)
        await launcher.launch(spec("w1"))
        with anyio.fail_after(5):
            while run_id in registry.runs():
                await anyio.lowlevel.checkpoint()

        assert len(registry.runs()) == 2
    assert registry.runs() == {}
    assert list(runs_directory(registry.state).iterdir()) == []


async def start_in_vain(launcher: SubprocessLauncher) -> None:
    with pytest.raises(WorkerStartError):
        await launcher.launch(spec())


def kill_guardian(launcher: SubprocessLauncher) -> None:
    assert launcher.guardian_pid is not None
    os.kill(launcher.guardian_pid, signal.SIGKILL)


async def daemon_of(worker: SubprocessWorker) -> Identity:
    daemon = identity_of(int(await first_line(worker)))
    assert daemon is not None
    return daemon


async def first_line(worker: SubprocessWorker) -> str:
    with anyio.fail_after(5):
        while not worker.last_lines:
            await anyio.lowlevel.checkpoint()
    return worker.last_lines[0]


def only_run(registry: Registry) -> tuple[RunEntry, tuple[WorkerEntry, ...]]:
    (run,) = registry.runs().values()
    return run


async def workers_when(registry: Registry, condition: Any) -> Sequence[WorkerEntry]:  # noqa: ANN401
    with anyio.fail_after(5):
        while not condition(workers := only_run(registry)[1]):
            await anyio.lowlevel.checkpoint()
    return workers


def make_unusable(registry: Registry, how: str) -> None:
    match how:
        case "no directory":
            registry.state.write_text("a file is in its place")
        case "open to others":
            registry.state.mkdir(mode=0o755)
        case _:
            registry.runs()
            registry.close()
            set_version(registry.path)


def set_version(path: Path) -> None:
    with open_raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")


@contextmanager
def locked_up(registry: Registry) -> Iterator[None]:
    with open_raw(registry.path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def open_raw(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
