"""Every promise of Launcher and WorkerProcess, over processes and over their twin."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.launch.launcher import Launcher, WorkerExit
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.testing import open_in_process_launcher

from .specs import STAND_IN, spec


@pytest.fixture(
    params=[
        pytest.param("subprocess", marks=pytest.mark.process, id="subprocess"),
        pytest.param("in-process", id="in-process"),
    ]
)
async def launcher(request: pytest.FixtureRequest) -> AsyncIterator[Launcher]:
    async with AsyncExitStack() as opened:
        if request.param == "subprocess":
            launcher: Launcher = await opened.enter_async_context(
                open_subprocess_launcher(command=(STAND_IN, "serve"))
            )
        else:
            launcher = await opened.enter_async_context(open_in_process_launcher())
        yield launcher


async def test_workers_are_told_apart(launcher: Launcher) -> None:
    first, second = await launcher.launch(spec("w0")), await launcher.launch(spec("w1"))

    assert first.announcement.pid == first.pid != second.pid
    assert first.announcement.address != second.announcement.address
    assert first.announcement.capacity == 1
    assert first.last_lines == ()


async def test_a_worker_that_is_asked_to_stop_ends_well(launcher: Launcher) -> None:
    worker = await launcher.launch(spec())
    ended = await worker.stop(grace=5)

    assert (ended.exit_code, ended.signal, str(ended)) == (0, None, "exit code 0")


async def test_a_killed_worker_ends_by_its_signal(launcher: Launcher) -> None:
    worker = await launcher.launch(spec())

    assert (await worker.kill()).signal == 9


async def test_all_who_wait_are_told_and_the_end_stays_the_same(launcher: Launcher) -> None:
    worker = await launcher.launch(spec())
    told: list[WorkerExit] = []

    async def wait() -> None:
        told.append(await worker.wait())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
        told.append(await worker.kill())

    assert {await worker.kill(), await worker.stop(grace=5), await worker.wait(), *told} == {
        told[0]
    }


async def test_closing_kills_what_runs_and_nothing_starts_after_it(launcher: Launcher) -> None:
    worker = await launcher.launch(spec())
    await launcher.aclose()

    assert (await worker.wait()).signal == 9
    with pytest.raises(WorkerStartError, match="The launcher is closed"):
        await launcher.launch(spec("w1"))
