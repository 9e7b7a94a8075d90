"""The pool with everything under it but processes: on asyncio and on trio."""

from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from snakepit_nb.calls import CellEvent, CellReply, StreamText, ToolCall, ToolChunk
from snakepit_nb.errors import (
    CallCancelledError,
    CallTimeoutError,
    PoolClosedError,
    PoolError,
    PoolSaturatedError,
    Progress,
    QueueTimeoutError,
    SessionLostError,
    ToolError,
    UsageError,
    WorkerCrashedError,
    WorkerStartError,
)
from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.pool.pool import Pool, open_pool
from snakepit_nb.settings import Affinity, PoolSettings
from snakepit_nb.testing import (
    open_direct_channel,
    open_in_process_launcher,
    open_test_pool,
)

from .making import Desk, a_call, a_cell, put_nowhere


async def test_a_call_returns_what_its_tool_returns() -> None:
    desk = Desk()
    desk.open("a")
    async with open_test_pool(desk) as pool:
        result = await pool.call(a_call(name="a"), timeout=None)

    assert result.value == "a"
    assert pool.snapshot().finished == 1


async def test_what_a_tool_raises_frees_its_share() -> None:
    async with open_test_pool(Desk()) as pool:
        with pytest.raises(ValueError, match="as it should") as caught:
            await pool.call(a_call("fail"), timeout=None)

        assert isinstance(caught.value, ToolError)
        check_balance(pool, capacity=1)


async def test_first_come_is_first_served() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(call, pool, a_call(name=name))
            await anyio.wait_all_tasks_blocked()
        assert (desk.begun, queued(pool)) == (["a"], 3)
        desk.open(*"abcd")

    assert desk.begun == list("abcd")


async def test_all_workers_work_at_the_same_time() -> None:
    desk = Desk()
    async with open_test_pool(desk, workers=3) as pool, anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(call, pool, a_call(name=name))
        await desk.until_begun(*"abc")
        assert repr(pool) == "<Pool 'default' 3 workers, load 3/3, 0 queued>"
        desk.open(*"abc")


async def test_a_hint_prefers_its_worker_but_does_not_wait_for_it() -> None:
    desk = Desk()
    async with open_test_pool(desk, workers=2) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, pool, a_call(name="before", session="s"))
            await desk.until_begun("before")
            preferred = busy_worker(pool)
            desk.open("before")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, pool, a_call(name="first", session="s"))
            await desk.until_begun("first")
            first = busy_worker(pool)
            tasks.start_soon(call, pool, a_call(name="second", session="s"))
            await desk.until_begun("second")
            both = {worker.worker_id for worker in pool.snapshot().workers if worker.load}
            desk.open("first", "second")

    assert first == preferred
    assert both == {"w0", "w1"}


async def test_a_strict_session_waits_for_its_own_worker() -> None:
    desk = Desk()
    async with open_test_pool(desk, workers=2) as pool:
        await run(pool, a_cell("x = 1", session="s"))
        home = home_of(pool, "s")
        async with anyio.create_task_group() as tasks:
            busy = a_call(name="busy", session="s", affinity=Affinity.STRICT_QUEUE)
            tasks.start_soon(call, pool, busy)
            await desk.until_begun("busy")
            replies: list[CellReply] = []

            async def next_cell() -> None:
                replies.append((await run(pool, a_cell("y = x", session="s", returns=("y",))))[1])

            tasks.start_soon(next_cell)
            await anyio.wait_all_tasks_blocked()
            assert (queued(pool), idle(pool)) == (1, 1)
            desk.open("busy")

        assert replies[0].returns == {"y": 1}
        assert home_of(pool, "s") == home


async def test_a_lost_session_is_told_once_and_then_begins_anew() -> None:
    async with (
        open_in_process_launcher() as launcher,
        open_test_pool(launcher=launcher, interrupt_grace=5) as pool,
    ):
        await run(pool, a_cell("x = 1", session="s"))
        launcher.workers[0].crash(exit_code=3)
        await until_running(pool, "w0.1")

        with pytest.raises(SessionLostError, match="its worker w0 is gone") as caught:
            await run(pool, a_cell("x", session="s"))
        _, reply = await run(pool, a_cell("x", session="s"))

    assert (caught.value.correlation_id or "").startswith("sp-")
    assert reply.error is not None
    assert reply.error.name == "NameError"


async def test_a_session_that_is_ended_is_freed_in_its_worker_and_forgotten() -> None:
    async with open_test_pool() as pool:
        await run(pool, a_cell("x = 1", session="s"))

        assert await pool.end_session(SessionId("s")) == 1
        assert await pool.end_session(SessionId("s")) == 0
        assert pool.snapshot().workers[0].sessions == ()
        _, reply = await run(pool, a_cell("x", session="s"))

    assert reply.error is not None


async def test_ending_a_session_whose_worker_is_gone_does_no_harm() -> None:
    async with open_in_process_launcher() as launcher, open_test_pool(launcher=launcher) as pool:
        await run(pool, a_cell("x = 1", session="s"))
        launcher.workers[0].crash(exit_code=1)

        assert await pool.end_session(SessionId("s")) == 0


async def test_a_full_queue_refuses_at_once() -> None:
    desk = Desk()
    async with (
        open_test_pool(desk, queue_size=1) as pool,
        anyio.create_task_group() as tasks,
    ):
        for name in "ab":
            tasks.start_soon(call, pool, a_call(name=name))
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(PoolSaturatedError, match="1 calls wait already"):
            await pool.call(a_call(name="c"), timeout=None)
        desk.open("a", "b")

    assert desk.begun == ["a", "b"]


async def test_an_error_of_a_call_says_of_which() -> None:
    desk = Desk()
    call = a_call("fail", session="s")
    async with open_test_pool(desk) as pool:
        with pytest.raises(ToolError) as caught:
            await pool.call(call, timeout=None)

    assert caught.value.correlation_id == call.correlation_id
    assert (
        caught.value.details.items()
        >= {
            "pool": pool.settings.name,
            "tool": "fail",
            "call_id": call.call_id,
            "session_id": "s",
            "worker_id": "w0",
        }.items()
    )


async def test_a_call_does_not_wait_for_longer_than_the_queue_timeout() -> None:
    desk = Desk()
    async with (
        open_test_pool(desk, queue_timeout=0.05) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call, pool, a_call(name="a"))
        await desk.until_begun("a")
        with pytest.raises(QueueTimeoutError, match=r"work waited 0\.05 s .* queue_timeout="):
            await pool.call(a_call(name="b"), timeout=None)
        assert queued(pool) == 0
        desk.open("a")


async def test_a_call_can_be_taken_out_of_the_queue() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(call, pool, a_call(name="a"))
        await desk.until_begun("a")
        waiting = a_call(name="b")

        async def be_refused() -> None:
            with pytest.raises(CallCancelledError):
                await pool.call(waiting, timeout=None)

        tasks.start_soon(be_refused)
        await anyio.wait_all_tasks_blocked()
        await pool.interrupt(waiting.call_id)
        desk.open("a")


async def test_more_workers_take_what_waits() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        for name in "ab":
            tasks.start_soon(call, pool, a_call(name=name))
            await anyio.wait_all_tasks_blocked()
        pool.resize(2)
        await desk.until_begun("b")
        desk.open("a", "b")


async def test_a_surplus_worker_finishes_its_call_first() -> None:
    desk = Desk()
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, workers=2) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(call, pool, a_call(name=name))
            await desk.until_begun("a", "b")
            pool.resize(1)
            await anyio.wait_all_tasks_blocked()
            states = {worker.worker_id: worker.state for worker in pool.snapshot().workers}
            desk.open("a", "b")
        await until_workers(pool, 1)

        assert sorted(states.values()) == ["busy", "draining"]
        ended = [await worker.wait() for worker in launcher.workers if "ended" in repr(worker)]
        assert [exit_.exit_code for exit_ in ended] == [0]


async def test_a_drained_worker_finishes_its_call_and_has_no_successor() -> None:
    desk = Desk()
    async with open_test_pool(desk, workers=2) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, pool, a_call(name="a"))
            await desk.until_begun("a")
            busy, idle = sorted(pool.snapshot().workers, key=lambda worker: -worker.load)
            assert pool.drain(busy.worker_id) == 1
            states = {worker.worker_id: worker.state for worker in pool.snapshot().workers}
            with pytest.raises(UsageError, match="is the last of pool 'default'"):
                pool.drain(idle.worker_id)
            desk.open("a")
        await until_workers(pool, 1)

        assert states == {busy.worker_id: "draining", idle.worker_id: "idle"}
        assert [worker.worker_id for worker in pool.snapshot().workers] == [idle.worker_id]


async def test_a_snapshot_tells_what_was_done_of_late() -> None:
    desk = Desk()
    async with open_test_pool(desk, workers=2) as pool:
        before = pool.snapshot().recent
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, pool, a_call(name="a"))
            await desk.until_begun("a")
            (running,) = (call for worker in pool.snapshot().workers for call in worker.calls)
            desk.open("a")
        await pool.call(a_call(name="a"), timeout=None)
        after = pool.snapshot()

    assert (before.per_second, before.median) == (0, None)
    assert after.recent.per_second > 0
    assert after.recent.median is not None
    assert [worker.served for worker in after.workers] == [1, 1]
    assert 0 < running.waited_seconds <= running.seconds
    assert {happening.words for happening in after.happenings} == {"w0 serves", "w1 serves"}


async def test_a_call_that_runs_for_too_long_is_interrupted() -> None:
    desk = Desk()
    desk.open("next")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        with pytest.raises(CallTimeoutError, match=r"longer than 0\.05 s and was interrupted"):
            await pool.call(a_call(name="a"), timeout=0.05)

        assert desk.ended == ["a"]
        assert (await pool.call(a_call(name="next"), timeout=None)).value == "next"
        assert len(launcher.workers) == 1


async def test_a_call_that_ignores_its_interrupt_holds_its_share_until_its_worker_is_killed() -> (
    None
):
    desk = Desk()
    desk.open("next")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher, interrupt_grace=0.2) as pool,
    ):
        loads: list[int] = []

        async def watch() -> None:
            await desk.until_begun("stubborn")
            with anyio.fail_after(5):
                while "ended" not in repr(launcher.workers[0]):
                    loads.append(sum(worker.load for worker in pool.snapshot().workers))
                    await anyio.sleep(0.01)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            with pytest.raises(CallTimeoutError, match=r"did not stop within 0\.2 s.*killed"):
                await pool.call(a_call("ignore_interrupts", "stubborn"), timeout=0.05)
        after = await pool.call(a_call(name="next"), timeout=None)

        assert len(loads) > 3
        assert set(loads) == {1}
        assert after.value == "next"
        assert [worker.worker_id for worker in launcher.workers] == ["w0", "w0.1"]
        desk.open("stubborn")


async def test_a_cell_that_runs_for_too_long_is_interrupted_and_its_session_lives() -> None:
    async with open_test_pool() as pool:
        endless = a_cell("import anyio\nx = 1\nawait anyio.sleep_forever()", session="s")
        with pytest.raises(CallTimeoutError, match="its session is as it left it"):
            await pool.run_cell(endless, put_nowhere, timeout=0.05)
        _, reply = await run(pool, a_cell("pass", session="s", returns=("x",)))

    assert reply.returns == {"x": 1}


async def test_a_cell_that_ignores_its_interrupt_is_killed_after_the_grace() -> None:
    code = "import anyio\nx = 1\nwith anyio.CancelScope(shield=True): await anyio.sleep(0.3)"
    async with open_test_pool(interrupt_grace=0.05) as pool:
        stubborn = a_cell(code, session="s")
        with pytest.raises(CallTimeoutError, match="was killed, and session 's' lost with it"):
            await pool.run_cell(stubborn, put_nowhere, timeout=0.05)
        _, reply = await run(pool, a_cell("x", session="s"))

    assert reply.error is not None


async def test_a_crash_names_the_worker_its_end_the_session_and_its_last_words() -> None:
    desk = Desk()
    desk.open("next")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        errors: list[WorkerCrashedError] = []
        doomed = a_call(name="a", session="s", affinity=Affinity.STRICT_QUEUE)

        async def crash() -> None:
            with pytest.raises(WorkerCrashedError) as caught:
                await pool.call(doomed, timeout=None)
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crash)
            await desk.until_begun("a")
            launcher.workers[0].crash(signal=11, last_lines=["Segmentation fault"])
        after = await pool.call(a_call(name="next"), timeout=None)

        ended = "it ended with signal 11 (SIGSEGV)."
        truth = "work had begun and not ended. It was not run again: it may not run twice."
        step = (
            "Call it again if it may run twice; @tool(idempotent=True), or --idempotent for a "
            "cell, lets that be done for you."
        )
        assert errors[0].message.splitlines() == [
            f"Worker w0 is gone while it ran work: {ended} {truth} Session 's' lost its variables.",
            "What it wrote last:",
            "  Segmentation fault",
            step,
        ]
        assert errors[0].progress is Progress.STARTED
        assert errors[0].correlation_id == doomed.correlation_id
        assert after.value == "next"
        assert [worker.worker_id for worker in launcher.workers] == ["w0", "w0.1"]
        assert pool.snapshot().problems == ("Worker w0 ended by itself with signal 11.",)


async def test_a_worker_that_crashes_idle_is_replaced() -> None:
    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        launcher.workers[0].crash(exit_code=7)
        await until_running(pool, "w0.1")

        assert (await pool.call(a_call(name="a"), timeout=None)).value == "a"


async def test_a_call_whose_worker_is_gone_before_it_begins_runs_on_the_next() -> None:
    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(partial(pool.call, a_call(name="a"), timeout=None))
        while not pool.snapshot().workers[0].load:
            await checkpoint()
        launcher.workers[0].crash(exit_code=1)
        await desk.until_begun("a")

    assert [worker.worker_id for worker in launcher.workers] == ["w0", "w0.1"]


async def test_killing_the_worker_of_a_call_says_why() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool:
        doomed = a_call(name="a")

        async def be_killed() -> None:
            with pytest.raises(WorkerCrashedError, match="the test said so"):
                await pool.call(doomed, timeout=None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(be_killed)
            await desk.until_begun("a")
            await pool.kill(doomed.call_id, "the test said so")
        await pool.kill(doomed.call_id, "it is over")


async def test_closing_refuses_what_waits_and_ends_what_runs() -> None:
    desk = Desk()
    errors: dict[str, str] = {}

    async def be_closed(pool: Pool, name: str) -> None:
        with pytest.raises(PoolClosedError) as caught:
            await pool.call(a_call(name=name), timeout=None)
        errors[name] = caught.value.message

    async with (
        anyio.create_task_group() as tasks,
        open_in_process_launcher(desk) as launcher,
        open_test_pool(launcher=launcher) as pool,
    ):
        tasks.start_soon(be_closed, pool, "a")
        await desk.until_begun("a")
        tasks.start_soon(be_closed, pool, "b")
        await anyio.wait_all_tasks_blocked()
    with pytest.raises(PoolClosedError):
        await pool.call(a_call(name="c"), timeout=None)

    assert errors["a"] == "work was ended with its pool."
    assert errors["b"].startswith("Pool 'default' is stopped.")
    assert [str(await worker.wait()) for worker in launcher.workers] == ["exit code 0"]
    check_balance(pool, capacity=0)


async def test_a_worker_that_does_not_start_is_reported_and_the_rest_serve() -> None:
    async def refuse_one(spec: LaunchSpec) -> None:
        if spec.worker_id == "w0":
            raise WorkerStartError("Worker w0 did not start: no luck.")

    desk = Desk()
    desk.open("a")
    async with (
        open_in_process_launcher(desk, before_launch=refuse_one) as launcher,
        open_test_pool(launcher=launcher, workers=2) as pool,
    ):
        snapshot = pool.snapshot()
        assert (await pool.call(a_call(name="a"), timeout=None)).value == "a"

    assert [worker.worker_id for worker in snapshot.workers] == ["w1"]
    assert snapshot.problems == ("Worker w0 did not start: no luck.",)


async def test_a_pool_of_which_no_worker_starts_says_why() -> None:
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("it cannot be")

    async with open_in_process_launcher(Broken) as launcher:
        settings = PoolSettings(workers=2)
        async with open_pool(settings, launcher, open_direct_channel) as pool:
            with pytest.raises(WorkerStartError, match="did not start: RuntimeError: it cannot be"):
                await pool.wait_ready()
            with pytest.raises(PoolError, match="has no worker left") as caught:
                await pool.call(a_call(name="a"), timeout=None)

    assert "it cannot be" in caught.value.message


async def test_start_batch_bounds_how_many_start_at_once() -> None:
    starting = most = 0

    async def be_slow(_: LaunchSpec) -> None:
        nonlocal starting, most
        starting += 1
        most = max(most, starting)
        await anyio.wait_all_tasks_blocked()
        starting -= 1

    async with (
        open_in_process_launcher(before_launch=be_slow) as launcher,
        open_test_pool(launcher=launcher, workers=5, start_batch=2),
    ):
        pass

    assert most == 2


async def test_a_stream_puts_its_chunks_and_then_the_final_one() -> None:
    desk = Desk()
    desk.open("a")
    chunks: list[ToolChunk] = []

    async def put(chunk: ToolChunk) -> None:
        chunks.append(chunk)

    async with open_test_pool(desk) as pool:
        await pool.stream(a_call("emit", "a"), put, timeout=None)

    assert [(chunk.number, chunk.data, chunk.is_final) for chunk in chunks] == [
        (1, 1, False),
        (2, None, True),
    ]


async def test_a_stream_whose_reader_fails_is_stopped() -> None:
    desk = Desk()

    async def put(_: ToolChunk) -> None:
        raise LookupError("of the reader's own")

    async with open_test_pool(desk) as pool:
        with pytest.raises(LookupError):
            await pool.stream(a_call("emit", "a"), put, timeout=None)
        await anyio.wait_all_tasks_blocked()

        assert desk.ended == ["a"]
        check_balance(pool, capacity=1)


async def test_a_cell_puts_out_what_it_prints() -> None:
    async with open_test_pool() as pool:
        events, reply = await run(pool, a_cell("print('hello')"))

    assert "".join(event.text for event in events if isinstance(event, StreamText)) == "hello\n"
    assert reply.error is None


async def test_a_snapshot_tells_all_that_an_observer_may_see() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        running, waiting = a_call(name="a", session="s"), a_call(name="b")
        tasks.start_soon(call, pool, running)
        await desk.until_begun("a")
        tasks.start_soon(call, pool, waiting)
        await anyio.wait_all_tasks_blocked()
        snapshot = pool.snapshot()
        desk.open("a", "b")

    (worker,) = snapshot.workers
    assert (worker.worker_id, worker.state, worker.load, worker.capacity) == ("w0", "busy", 1, 1)
    assert [(seen.call_id, seen.what, seen.session_id) for seen in worker.calls] == [
        (running.call_id, "work", "s")
    ]
    assert [seen.call_id for seen in snapshot.queued] == [waiting.call_id]
    assert snapshot.last_correlation_id == waiting.correlation_id
    assert {tool.name for tool in snapshot.tools} >= {"work", "emit"}
    assert worker.pid is not None


async def test_wait_idle_returns_when_nothing_waits_or_runs() -> None:
    desk = Desk()
    async with open_test_pool(desk) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(call, pool, a_call(name="a"))
        await desk.until_begun("a")
        desk.open("a")
        with anyio.fail_after(5):
            await pool.wait_idle()
        check_balance(pool, capacity=1)


async def call(pool: Pool, one: ToolCall) -> None:
    await pool.call(one, timeout=None)


async def run(pool: Pool, cell: Any) -> tuple[list[CellEvent], CellReply]:  # noqa: ANN401
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)

    with anyio.fail_after(5):
        return events, await pool.run_cell(cell, put)


def queued(pool: Pool) -> int:
    return len(pool.snapshot().queued)


def idle(pool: Pool) -> int:
    return sum(worker.state == "idle" for worker in pool.snapshot().workers)


def home_of(pool: Pool, session: str) -> WorkerId:
    (home,) = [w.worker_id for w in pool.snapshot().workers if session in w.sessions]
    return home


def busy_worker(pool: Pool) -> WorkerId:
    (busy,) = [worker.worker_id for worker in pool.snapshot().workers if worker.load]
    return busy


def check_balance(pool: Pool, *, capacity: int) -> None:
    snapshot = pool.snapshot()
    assert sum(worker.load for worker in snapshot.workers) == 0
    assert sum(worker.capacity for worker in snapshot.workers) == capacity
    assert snapshot.queued == ()


async def until_running(pool: Pool, worker_id: str) -> None:
    with anyio.fail_after(5):
        while (worker_id, "idle") not in [
            (worker.worker_id, worker.state) for worker in pool.snapshot().workers
        ]:
            await checkpoint()


async def until_workers(pool: Pool, number: int) -> None:
    with anyio.fail_after(5):
        while len(pool.snapshot().workers) != number:
            await checkpoint()
