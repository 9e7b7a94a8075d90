"""What a pool tells of its life, its workers, calls and sessions."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import anyio
import pytest

from snakepit_nb.errors import SnakepitError, WorkerStartError
from snakepit_nb.identifiers import CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.pool import telling, worker_telling
from snakepit_nb.pool.pool import Pool
from snakepit_nb.settings import CapacityStrategy, Profile
from snakepit_nb.telemetry import bus
from snakepit_nb.telemetry.events import (
    CATALOGUE,
    BreakerClosed,
    BreakerOpened,
    CallEnded,
    CallGranted,
    CallRetried,
    CallSubmitted,
    Event,
    OfSession,
    PlaceGivenUp,
    PoolCapacityReached,
    PoolReady,
    PoolResized,
    PoolSaturated,
    PoolStarted,
    PoolStopped,
    ProblemRecognised,
    QueueTimeout,
    SerializationFailed,
    SessionCleaned,
    SessionEnded,
    SessionExpired,
    SessionLost,
    SessionSettled,
    StreamEnded,
    WorkerCleared,
    WorkerCrashed,
    WorkerEnded,
    WorkerKilled,
    WorkerRetired,
    WorkerStarted,
    WorkerStartFailed,
    WorkerTainted,
)
from snakepit_nb.testing import open_in_process_launcher, open_test_pool
from snakepit_nb.worker import tool
from tests.waiting import until_async

from .making import Desk, a_call, a_cell, put_nowhere

ID = CorrelationId("sp-of-a-lease")
Heard = list[Event]
E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=OfSession)


class BusyDesk(Desk):
    thread_safe = True

    @tool(idempotent=True)
    async def again(self, name: str) -> str:
        return await self.work(name)

    @tool
    def unsendable(self) -> object:
        return {"a secret key": lambda: None}

    @tool
    def number(self) -> int:
        return 1

    @tool
    def multiply(self) -> None:
        raise ValueError("operands could not be broadcast together with shapes (2,) (3,)")


async def test_a_pool_lives() -> None:
    async with hearing() as heard, open_test_pool(workers=2) as pool:
        await pool.wait_ready()
        pool.resize(1)
        pool.retire(WorkerId("w0"))
        await until(pool, lambda: [w.worker_id for w in pool.snapshot().workers] == ["w0.1"])

    (started,) = of(PoolStarted, heard)
    (ready,) = of(PoolReady, heard)
    (resized,) = of(PoolResized, heard)
    (stopped,) = of(PoolStopped, heard)
    (retired,) = of(WorkerRetired, heard)
    assert (started.pool, started.workers, started.profile) == ("default", 2, "process")
    assert (ready.workers, ready.capacity, ready.seconds > 0) == (2, 2, True)
    assert (resized.workers, resized.before) == (1, 2)
    assert (stopped.finished, stopped.seconds > ready.seconds) == (0, True)
    assert (retired.worker_id, retired.because) == ("w0", "another takes its place")
    assert {each.worker_id for each in of(WorkerStarted, heard)} == {"w0", "w1", "w0.1"}
    assert {each.worker_id for each in of(WorkerEnded, heard)} == {"w0", "w1", "w0.1"}
    assert {each.because for each in of(WorkerEnded, heard)} == {"it was stopped"}
    assert heard[0] is started
    assert heard[-1] is stopped


async def test_calls_end_in_many_ways() -> None:
    async with hearing() as heard:
        desk = BusyDesk()
        desk.open("good")
        async with open_test_pool(desk, queue_size=1, queue_timeout=0.05) as pool:
            good = a_call(name="good", session="s")
            await attempt(pool.call(good, timeout=None))
            await attempt(pool.call(a_call("fail"), timeout=None))
            await attempt(pool.run_cell(a_cell("1 / 0"), put_nowhere))
            await attempt(pool.call(a_call(name="late"), timeout=0.05))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attempt, pool.call(a_call(name="holds"), timeout=None))
                await desk.until_begun("holds")
                tasks.start_soon(attempt, pool.call(a_call(name="waits"), timeout=None))
                await anyio.wait_all_tasks_blocked()
                await attempt(pool.call(a_call(name="third"), timeout=None))
                await until(pool, lambda: not pool.snapshot().queued)
                tasks.cancel_scope.cancel()

    ended = of(CallEnded, heard)
    assert [(each.outcome, each.error) for each in ended] == [
        ("ok", ""),
        ("failed", "RemoteValueError"),
        ("failed", ""),
        ("timeout", "CallTimeoutError"),
        ("refused", "PoolSaturatedError"),
        ("timeout", "QueueTimeoutError"),
        ("cancelled", ended[-1].error),
    ]
    assert ended[0].metadata == {
        "pool": "default",
        "tool": "work",
        "call_id": good.call_id,
        "correlation_id": good.correlation_id,
        "session_id": "s",
        "worker_id": "w0",
        "outcome": "ok",
        "error": "",
    }
    assert len(of(CallSubmitted, heard)) == len(ended)
    assert len(of(CallGranted, heard)) == len(ended) - 2
    assert ended[0].seconds >= of(CallGranted, heard)[0].waited_seconds > 0
    assert [each.queue_size for each in of(PoolSaturated, heard)] == [1]
    assert [each.waited_seconds >= 0.05 for each in of(QueueTimeout, heard)] == [True]


async def test_a_lease_tells_its_calls_and_not_itself() -> None:
    async with hearing() as heard, open_test_pool(BusyDesk()) as pool, pool.lease(ID) as lease:
        await lease.call(a_call("number"), timeout=None)
        with pytest.raises(ValueError, match="as it should"):
            await lease.call(a_call("fail"), timeout=None)

    assert [(each.tool, each.outcome) for each in of(CallEnded, heard)] == [
        ("number", "ok"),
        ("fail", "failed"),
    ]
    assert [each.worker_id for each in of(CallGranted, heard)] == ["w0", "w0"]
    assert len(of(CallSubmitted, heard)) == 2


async def test_workers_end_in_many_ways() -> None:
    async with hearing() as heard:

        async def refuse_one(spec: LaunchSpec) -> None:
            if spec.worker_id == "w1":
                raise WorkerStartError("no luck, and a secret")

        desk = BusyDesk()
        async with (
            open_in_process_launcher(desk, before_launch=refuse_one) as launcher,
            open_test_pool(launcher=launcher, workers=2) as pool,
        ):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attempt, pool.call(a_call(name="dies"), timeout=None))
                await desk.until_begun("dies")
                launcher.workers[0].crash(signal=11)
            await until(pool, lambda: "w0.1" in pool._dispatch.workers)
            await pool.kill_worker(WorkerId("w0.1"), "the test said so")

    (failed,) = of(WorkerStartFailed, heard)
    (crashed,) = of(WorkerCrashed, heard)
    (killed,) = of(WorkerKilled, heard)
    assert (failed.worker_id, failed.error) == ("w1", "WorkerStartError")
    assert (crashed.worker_id, crashed.how) == ("w0", "signal 11")
    assert (killed.worker_id, killed.because) == ("w0.1", "the test said so")
    assert [each.outcome for each in of(CallEnded, heard)] == ["crashed"]
    assert [(e.worker_id, e.because) for e in of(WorkerEnded, heard)][:2] == [
        ("w0", ""),
        ("w0.1", "the test said so"),
    ]


async def test_a_worker_is_given_up_for_a_call_that_does_not_stop() -> None:
    async with hearing() as heard:
        desk = BusyDesk()
        async with open_test_pool(
            desk, profile=Profile.THREAD, threads=2, interrupt_grace=0.05
        ) as pool:
            stubborn = a_call("ignore_interrupts", "stubborn")
            await attempt(pool.call(stubborn, timeout=0.05))
            desk.open("stubborn")
            await until(pool, lambda: "w0.1" in pool._dispatch.workers)

    (retired,) = of(WorkerRetired, heard)
    assert (retired.load, retired.because) == (1, "a call did not stop")
    assert of(WorkerKilled, heard)


async def test_sessions_come_and_go() -> None:
    async with (
        hearing() as heard,
        open_in_process_launcher() as launcher,
        open_test_pool(launcher=launcher, session_ttl=0.1) as pool,
    ):
        for name in ("ended", "expires", "expires", "lost"):
            keeps = name != "expires"
            await pool.run_cell(a_cell("x = 1", session=name, keeps_session=keeps), put_nowhere)
        assert await pool.end_session(SessionId("ended")) == 1
        with anyio.fail_after(5):
            while not of(SessionCleaned, heard)[1:]:
                await anyio.lowlevel.checkpoint()
        launcher.workers[0].crash(exit_code=1)
        await until(pool, lambda: "w0.1" in pool._dispatch.workers)

    assert told(SessionSettled, heard) == ["ended", "expires", "lost"]
    assert told(SessionEnded, heard) == ["ended"]
    assert told(SessionExpired, heard) == ["expires"]
    assert told(SessionLost, heard) == ["lost"]
    assert [(e.session_id, e.freed) for e in of(SessionCleaned, heard)] == [
        ("ended", 1),
        ("expires", 1),
    ]


async def test_a_stream_tells_how_much_came() -> None:
    async with hearing() as heard:
        desk = BusyDesk()
        desk.open("a")
        async with open_test_pool(desk) as pool:
            await pool.stream(a_call("emit", "a"), put_nowhere, timeout=None)
            await attempt(pool.stream(a_call("emit", "late"), put_nowhere, timeout=0.05))

    assert [(e.chunks, e.bytes, e.outcome) for e in of(StreamEnded, heard)] == [
        (1, 1, "ok"),
        (1, 1, "timeout"),
    ]


async def test_what_does_not_travel_is_told_by_its_type() -> None:
    async with hearing() as heard, open_test_pool(BusyDesk()) as pool:
        await attempt(pool.call(a_call(number=iter(())), timeout=None))
        await attempt(pool.call(a_call("unsendable"), timeout=None))
        cell = a_cell("f = lambda: None", session="s", returns=("f", "missing"))
        await pool.run_cell(cell, put_nowhere)

    failed = of(SerializationFailed, heard)
    assert [(each.direction, each.type_name) for each in failed] == [
        ("there", "builtins.tuple_iterator"),
        ("back", "builtins.function"),
        ("back", "builtins.function"),
    ]
    assert "secret" not in repr(heard)


async def test_a_problem_that_is_well_known_is_told() -> None:
    async with hearing() as heard, open_test_pool(BusyDesk()) as pool:
        await attempt(pool.call(a_call("multiply"), timeout=None))

    assert [each.problem for each in of(ProblemRecognised, heard)] == ["broadcast"]


async def test_a_full_worker_says_so() -> None:
    async with hearing() as heard:
        desk = BusyDesk()
        async with (
            open_test_pool(
                desk, profile=Profile.THREAD, threads=2, capacity_strategy=CapacityStrategy.HYBRID
            ) as pool,
            anyio.create_task_group() as tasks,
        ):
            for name in "ab":
                tasks.start_soon(attempt, pool.call(a_call(name=name), timeout=None))
            await until(pool, lambda: pool.snapshot().workers[0].counted_load == 2)
            desk.open("a", "b")

    full = of(PoolCapacityReached, heard)[0]
    assert full.measurements == {"capacity": 2, "load": 2, "booked": 2}
    assert full.metadata == {"pool": "default", "worker_id": "w0", "profile": "thread"}


async def test_a_call_is_run_again_and_a_place_given_up() -> None:
    async with (
        hearing() as heard,
        open_in_process_launcher(desk := BusyDesk()) as launcher,
        open_test_pool(launcher=launcher, restart_limit=0) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(attempt, pool.call(a_call("again", "a"), timeout=None))
        await desk.until_begun("a")
        launcher.workers[0].crash(signal=9)
        await until_async(lambda: bool(of(PlaceGivenUp, heard)))

    retried = of(CallRetried, heard)[0]
    assert (retried.attempt, retried.progress, retried.worker_id) == (1, "started", "w0")
    assert 0.07 < retried.delay_seconds < 0.13
    assert of(PlaceGivenUp, heard)[0].measurements == {"crashes": 1}


async def test_a_worker_falls_ill_and_a_circuit_opens() -> None:
    async with (
        hearing() as heard,
        open_in_process_launcher(BusyDesk()) as launcher,
        open_test_pool(
            launcher=launcher,
            heartbeat_interval=0.02,
            heartbeat_misses=1,
            breaker_limit=1,
            breaker_seconds=0.01,
        ) as pool,
    ):
        launcher.workers[0].answers = anyio.Event()
        await until_async(lambda: bool(of(WorkerTainted, heard)))
        launcher.workers[0].answers.set()
        await until_async(lambda: bool(of(WorkerCleared, heard)))
        await attempt(pool.call(a_call(name="late"), timeout=0.01))
        await until_async(lambda: pool.snapshot().circuits == {"work": "half-open"})
        await attempt(pool.call(a_call("work"), timeout=None))

    assert of(WorkerTainted, heard)[0].because == "stuck"
    assert [each.tool for each in of(BreakerOpened, heard)] == ["work"]
    assert [each.tool for each in of(BreakerClosed, heard)] == ["work"]


STORIES = [
    test_a_pool_lives,
    test_calls_end_in_many_ways,
    test_a_lease_tells_its_calls_and_not_itself,
    test_workers_end_in_many_ways,
    test_a_worker_is_given_up_for_a_call_that_does_not_stop,
    test_sessions_come_and_go,
    test_a_stream_tells_how_much_came,
    test_what_does_not_travel_is_told_by_its_type,
    test_a_problem_that_is_well_known_is_told,
    test_a_full_worker_says_so,
    test_a_call_is_run_again_and_a_place_given_up,
    test_a_worker_falls_ill_and_a_circuit_opens,
]


async def test_all_that_is_catalogued_is_told_and_nothing_else() -> None:
    async with hearing() as heard:
        for story in STORIES:
            await story()

    assert {type(event) for event in heard} == set(CATALOGUE.values())


async def test_where_nobody_listens_no_event_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(event: Event) -> None:
        raise AssertionError(event)

    for module in (telling, worker_telling):
        monkeypatch.setattr(module, "emit", refuse)
    async with open_test_pool(BusyDesk()) as pool:
        await pool.call(a_call("number"), timeout=None)


@asynccontextmanager
async def hearing() -> AsyncIterator[Heard]:
    """Hears all that is told within the `async with`."""
    heard = Heard()
    end = bus.on("*", heard.append)
    try:
        yield heard
        assert await anyio.to_thread.run_sync(bus.flush)
    finally:
        end()


def of(kind: type[E], heard: Heard) -> list[E]:
    return [event for event in heard if isinstance(event, kind)]


def told(kind: type[S], heard: Heard) -> list[str]:
    return [event.session_id for event in of(kind, heard)]


async def attempt(work: Awaitable[object]) -> None:
    """Awaits what may end in an error."""
    with suppress(SnakepitError):
        await work


async def until(pool: Pool, condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        await pool._dispatch.until(condition)
