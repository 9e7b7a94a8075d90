import json
import os
import signal
import sys
from pathlib import Path
from threading import Thread

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.launch.launcher import Launcher, LaunchSpec, WorkerExit, WorkerProcess
from snakepit_nb.launch.subprocess_launcher import SubprocessLauncher, open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker

from .specs import STAND_IN, spec

pytestmark = pytest.mark.process


async def test_a_worker_announces_itself_and_ends_when_asked() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        worker = await launcher.launch(spec())

        assert worker.announcement.pid == worker.pid
        assert await anyio.Path(worker.announcement.address.removeprefix("unix:")).is_socket()
        ended = await worker.stop(grace=5)

    assert (ended.exit_code, ended.signal) == (0, None)
    assert (ended.peak_memory or 0) > 1_000_000


async def test_the_exit_code_and_the_last_word_are_told_to_all_who_wait() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "ends")) as launcher:
        worker = await launcher.launch(spec())
        exits: list[int | None] = []

        async def wait() -> None:
            exits.append((await worker.wait()).exit_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
            await worker.stop(grace=5)

    assert exits == [5, 5]
    assert worker.last_lines == ("a last word",)


async def test_a_worker_that_does_not_end_is_killed_after_its_grace() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "stubborn")) as launcher:
        worker = await launcher.launch(spec())

        assert (await worker.stop(grace=0.1)).signal == signal.SIGKILL
        assert (await worker.kill()).signal == signal.SIGKILL
        assert not await anyio.Path(f"/proc/{worker.pid}").exists()


async def test_the_last_lines_of_the_output_are_kept() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "prints")) as launcher:
        worker = await launcher.launch(spec())
        await worker.stop(grace=5)

    assert worker.last_lines == (*map(str, range(101, 300)), "and no newline")


async def test_a_killed_worker_takes_its_daemon_with_it() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "has-daemon")) as launcher:
        worker = await launcher.launch(spec("w0"))
        other = await launcher.launch(spec("w1"))
        daemons = [os.pidfd_open(int(await first_line(each))) for each in (worker, other)]

        await worker.kill()
        with anyio.fail_after(5):
            await anyio.wait_readable(daemons[0])
        signal.pidfd_send_signal(daemons[1], 0)  # that of the living worker lives

    for daemon in daemons:
        os.close(daemon)


async def test_secrets_and_descriptors_of_the_kernel_do_not_get_into_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "of-the-server")
    async with open_subprocess_launcher(command=(STAND_IN, "tells")) as launcher:
        worker = await launcher.launch(spec(environment=(("MINE", "yes"),)))
        text = await first_line(worker)

    told = json.loads(text)
    assert worker.token not in text
    assert "of-the-server" not in text
    assert told["environment"]["MINE"] == "yes"
    assert told["argv"][1:] == ["tells", "--announce-fd", "3"]
    assert told["inherited"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("exits", "Worker w0 did not start: it ended with exit code 7 before it was ready."),
        ("killed", "it ended with signal 9 before it was ready."),
        ("silent", "it was not ready within 1 s. If its imports take long, raise ready_timeout."),
        ("closes", "it closed its announcement without a word."),
        ("babbles", "This is no announcement: b'hello\\n'."),
        ("wrong-nonce", "does not answer this pool's introduction."),
        ("deaf", "does not answer: No such file or directory."),
        ("wrapper", "Name the interpreter itself, not a script that starts one."),
    ],
)
async def test_a_worker_that_fails_to_start_says_why_and_is_gone(mode: str, words: str) -> None:
    async with open_subprocess_launcher(command=(STAND_IN, mode)) as launcher:
        with pytest.raises(WorkerStartError) as caught:
            await launcher.launch(spec(ready_timeout=1 if mode == "silent" else 10))

        assert words in caught.value.message
        await until_nothing_runs(launcher)
    assert mode != "exits" or caught.value.message.endswith("What it wrote last:\n  this is why")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (spec(python="/no/python"), "'/no/python' cannot be run: No such file or directory."),
        (spec(cwd="/no/where"), "the directory '/no/where' cannot be entered: No such file"),
    ],
    ids=["python", "cwd"],
)
async def test_what_the_system_refuses_is_told_in_its_words(wanted: LaunchSpec, words: str) -> None:
    async with open_subprocess_launcher() as launcher:
        with pytest.raises(WorkerStartError) as caught:
            await launcher.launch(wanted)

    assert words in caught.value.message


async def test_an_interpreter_without_snakepit_nb_is_told_from_other_failures(
    tmp_path: Path,
) -> None:
    await anyio.run_process([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)])
    async with open_subprocess_launcher() as launcher:
        with pytest.raises(WorkerStartError, match="snakepit_nb must be installed for that"):
            await launcher.launch(
                spec(
                    python=str(tmp_path / "bin" / "python"),
                    cwd=str(tmp_path),
                    environment=(("PYTHONPATH", ""),),
                )
            )


async def test_a_cancelled_launch_leaves_no_process() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "silent")) as launcher:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(launcher.launch, spec())
            with anyio.fail_after(5):
                while not children_of_guardian(launcher):
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

        await until_nothing_runs(launcher)


async def test_a_cancelled_owner_still_ends_its_workers() -> None:
    with anyio.CancelScope() as scope:
        async with open_subprocess_launcher(command=(STAND_IN, "stubborn")) as launcher:
            worker = await launcher.launch(spec())
            guardian = launcher.guardian_pid
            directory = anyio.Path(worker.introduction.socket_path).parent
            scope.cancel()

    assert (await worker.wait()).signal == signal.SIGKILL
    assert not await anyio.Path(f"/proc/{guardian}").exists()
    assert not await directory.exists()


async def test_workers_end_with_their_guardian_and_the_next_has_another() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        worker = await launcher.launch(spec("w0"))
        assert launcher.guardian_pid is not None
        os.kill(launcher.guardian_pid, signal.SIGKILL)

        with anyio.fail_after(5):
            assert await worker.wait() == WorkerExit(signal=signal.SIGKILL)
            assert (await (await launcher.launch(spec("w0.1"))).stop(grace=5)).exit_code == 0


async def test_nothing_is_started_before_the_first_launch_or_after_the_end() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        assert launcher.guardian_pid is None

    with pytest.raises(WorkerStartError, match="The launcher is closed"):
        await launcher.launch(spec())


async def test_many_workers_start_at_the_same_time() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        workers: list[SubprocessWorker] = []

        async def launch(number: int) -> None:
            workers.append(await launcher.launch(spec(f"w{number}")))

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(launch, number)

        assert len({worker.pid for worker in workers}) == 8
        assert len({worker.token for worker in workers}) == 8


async def test_a_name_that_is_taken_does_no_harm_to_its_owner() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        worker = await launcher.launch(spec("w0"))
        with pytest.raises(WorkerStartError, match="a worker of that name runs already"):
            await launcher.launch(spec("w0"))

        assert (await worker.stop(grace=5)).exit_code == 0


def test_workers_live_on_when_the_thread_that_asked_for_them_has_ended() -> None:
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(
            open_subprocess_launcher(command=(STAND_IN, "serve"))
        ) as opened,
    ):
        launcher: Launcher = opened
        workers: list[WorkerProcess] = []
        asking = Thread(target=lambda: workers.append(portal.call(launcher.launch, spec())))
        asking.start()
        asking.join()

        assert portal.call(workers[0].stop, 5).exit_code == 0


async def first_line(worker: SubprocessWorker) -> str:
    with anyio.fail_after(5):
        while not worker.last_lines:
            await anyio.lowlevel.checkpoint()
    return worker.last_lines[0]


async def until_nothing_runs(launcher: SubprocessLauncher) -> None:
    with anyio.fail_after(5):
        while children_of_guardian(launcher):
            await anyio.lowlevel.checkpoint()


def children_of_guardian(launcher: SubprocessLauncher) -> list[str]:
    guardian = launcher.guardian_pid
    if guardian is None:
        return []
    return Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()
