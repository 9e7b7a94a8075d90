"""What workers tell comes home while somebody wants to hear it, and no worker is asked else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Self

import anyio
import pytest

from snakepit_nb.errors import WorkerError
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.observations import EventControl
from snakepit_nb.pool.pool import Pool, open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry import bus
from snakepit_nb.telemetry.events import Event, WorkerEvent
from snakepit_nb.testing import open_direct_channel, open_in_process_launcher, open_test_pool
from snakepit_nb.testing.in_process_worker import InProcessWorker
from snakepit_nb.worker import Adapter, emit_event, tool

from .making import a_call


class Teller(Adapter):
    @tool
    def tell(self, name: str) -> None:
        emit_event(name, {"n": 1}, {"text": "t"})


class Ear:
    """Hears what is told, on the bus's thread, and lets a test wait for it on its loop."""

    def __init__(self, *names: str) -> None:
        self.heard: list[WorkerEvent] = []
        self._ends = [bus.on(f"worker.{name}", self._hear) for name in names]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        for end in self._ends:
            end()

    async def until(self, *names: str) -> None:
        with anyio.fail_after(5):
            while not {event.event for event in self.heard} >= set(names):
                await anyio.to_thread.run_sync(bus.flush)

    def _hear(self, event: Event) -> None:
        assert isinstance(event, WorkerEvent)
        self.heard.append(event)


async def test_what_a_worker_tells_is_heard_with_the_worker_and_the_call() -> None:
    with Ear("my.*") as ear:
        async with open_test_pool(Teller) as pool:
            call = a_call("tell", "my.own")
            await pool.call(call, timeout=None)
            await ear.until("my.own")

    (event,) = ear.heard
    assert event.name == "worker.my.own"
    assert event.measurements == {"n": 1}
    assert event.metadata == {
        "text": "t",
        "pool": "default",
        "worker_id": "w0",
        "correlation_id": call.correlation_id,
    }


async def test_no_worker_is_asked_before_somebody_listens_and_after() -> None:
    async with (
        open_in_process_launcher(Teller) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        (worker,) = launcher.workers
        await tell(pool, "before")
        asked = [is_read(worker)]
        with Ear("*") as ear:
            await ear.until("before")
            asked.append(is_read(worker))
        await until_read(worker, wanted=False)
        await tell(pool, "between")
        with Ear("*") as again:
            await again.until("between")

    assert asked == [False, True]
    assert ear.heard[0].event == "tool.execution.start"


async def test_who_listens_to_pools_only_asks_no_worker() -> None:
    end = bus.on("pool.*", lambda _: None)
    async with (
        open_in_process_launcher(Teller) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        await tell(pool, "something")
        asked = is_read(launcher.workers[0])
    end()

    assert not asked


async def test_only_what_somebody_listens_to_is_sent() -> None:
    async with (
        open_in_process_launcher(Teller) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        with Ear("my.*", "your.own"):
            await until_controlled(launcher.workers, EventControl(allow=("my.*", "your.own")))
            with Ear("*"):
                await until_controlled(launcher.workers, EventControl())
            pool.control_events(EventControl(allow=("x",)))
            await until_controlled(launcher.workers, EventControl(allow=("x",)))
            pool.control_events(EventControl())
            await until_controlled(launcher.workers, EventControl(allow=("my.*", "your.own")))
        await until_controlled(launcher.workers, EventControl())
        await until_read(launcher.workers[0], wanted=False)


async def test_a_control_holds_for_all_workers_and_for_those_to_come() -> None:
    async with (
        open_in_process_launcher(Teller) as launcher,
        open_test_pool(launcher=launcher, workers=2) as pool,
    ):
        quiet = EventControl(deny=("tool.*",), sampling=0.5, sampled=("x",))
        pool.control_events(quiet)
        await until_controlled(launcher.workers, quiet)
        await pool.kill_worker(WorkerId("w0"), "the test wants another")
        with anyio.fail_after(5):
            while len(launcher.workers) < 3:
                await anyio.lowlevel.checkpoint()
        await until_controlled(launcher.workers[1:], quiet)
        pool.control_events(EventControl())
        for worker in launcher.workers[1:]:
            await until_read(worker, wanted=False)

        assert pool.event_control == EventControl()


async def test_a_control_changes_what_is_heard() -> None:
    with Ear("*") as ear:
        async with (
            open_in_process_launcher(Teller) as launcher,
            open_test_pool(launcher=launcher) as pool,
        ):
            pool.control_events(EventControl(allow=("told.*",)))
            await until_controlled(launcher.workers, pool.event_control)
            await tell(pool, "not_told")
            await tell(pool, "told.it")
            await ear.until("told.it")

    assert [event.event for event in ear.heard] == ["told.it"]


async def test_a_worker_that_tells_nothing_serves_all_the_same() -> None:
    class NoTap:
        async def control(self, _: EventControl) -> None:
            raise WorkerError("The worker answered UNIMPLEMENTED: no such method.")

        read: Any = control

    @asynccontextmanager
    async def connect(process: Any) -> AsyncIterator[Any]:  # noqa: ANN401 (as a Connect has it)
        async with open_direct_channel(process) as channel:
            channel.events = lambda: nullcontext(NoTap())  # type: ignore[assignment,method-assign,return-value]
            yield channel

    NoTap.read = lambda self: self.control(EventControl())
    with Ear("*") as ear:
        async with (
            open_in_process_launcher(Teller) as launcher,
            open_pool(PoolSettings(workers=1), launcher, connect) as pool,
        ):
            await pool.wait_ready()
            await tell(pool, "unheard")

    assert ear.heard == []


@pytest.mark.parametrize("listens", [True, False])
async def test_a_pool_ends_whoever_listens(*, listens: bool) -> None:
    with Ear("*") if listens else nullcontext(), anyio.fail_after(5):
        async with open_test_pool(Teller) as pool:
            await tell(pool, "x")


async def tell(pool: Pool, name: str) -> None:
    await pool.call(a_call("tell", name), timeout=None)


def is_read(worker: InProcessWorker) -> bool:
    return worker.events._reader is not None


async def until_read(worker: InProcessWorker, *, wanted: bool) -> None:
    with anyio.fail_after(5):
        while is_read(worker) is not wanted:
            await anyio.lowlevel.checkpoint()


async def until_controlled(workers: list[InProcessWorker], control: EventControl) -> None:
    with anyio.fail_after(5):
        while any(worker.events.control != control for worker in workers):
            await anyio.lowlevel.checkpoint()
