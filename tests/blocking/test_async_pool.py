"""The pool for async code, on asyncio and trio, over real workers."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.async_pool import AsyncPool
from snakepit_nb.errors import CallTimeoutError, ToolError, UsageError, WorkerStartError
from tests.waiting import until_async

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

ON_PATH = {"PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[AsyncPool]:
    async with snakepit.open_pool(
        workers=2,
        adapters=["script_tools:ScriptTools"],
        env=ON_PATH,
        interrupt_grace=30.0,  # the tools note their end in files, and a disk may be slow
    ) as opened:
        yield opened


async def test_a_call_returns_what_its_tool_returns(pool: AsyncPool) -> None:
    assert await pool.call("echo", value=(1, b"two")) == (1, b"two")
    assert set(await pool.tools()) >= {"echo", "count"}


async def test_the_loop_goes_on_while_a_call_runs(pool: AsyncPool, tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(compute, pool, note)
        await until_async(note.with_suffix(".begun").exists)
        assert await pool.call("echo", value="beside it") == "beside it"
        tasks.cancel_scope.cancel()


async def test_errors_are_those_of_the_blocking_pool(pool: AsyncPool) -> None:
    with pytest.raises(ValueError, match="in the worker") as caught:
        await pool.call("fail")
    with pytest.raises(CallTimeoutError):
        await pool.call("wait", note="/nowhere/at/all", timeout=0.0)

    assert isinstance(caught.value, ToolError)


async def test_the_surrounding_correlation_id_is_the_calls(pool: AsyncPool) -> None:
    with snakepit.correlation("sp-mine"):
        assert await pool.call("correlation") == "sp-mine"


@pytest.mark.parametrize("tool", ["compute", "wait"])
async def test_a_cancelled_call_has_really_ended_when_its_caller_goes_on(
    pool: AsyncPool, tool: str, tmp_path: Path
) -> None:
    note = tmp_path / tool
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(compute, pool, note, tool)
        await until_async(note.with_suffix(".begun").exists)
        tasks.cancel_scope.cancel()

    assert note.with_suffix(".ended").exists()
    assert [worker.load for worker in (await pool.status()).workers] == [0, 0]
    assert {worker.worker_id for worker in (await pool.status()).workers} == {"w0", "w1"}


async def test_a_stream_yields_its_items_in_order(pool: AsyncPool) -> None:
    async with aclosing(pool.stream("count", to=1000)) as stream:
        assert [item async for item in stream] == list(range(1000))


async def test_a_stream_that_is_closed_early_has_stopped_its_tool(
    pool: AsyncPool, tmp_path: Path
) -> None:
    note = tmp_path / "stopped"
    async with aclosing(pool.stream("count_for_ever", note=str(note))) as stream:
        async for item in stream:
            if item == 3:
                break

    assert note.exists()
    assert [worker.load for worker in (await pool.status()).workers] == [0, 0]


async def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="no option 'wrokers'"):
        async with snakepit.open_pool(wrokers=2):
            raise NotImplementedError


async def test_a_pool_that_cannot_start_says_why() -> None:
    with pytest.raises(WorkerStartError, match="no module 'no_such_module_at_all'"):
        async with snakepit.open_pool(workers=1, adapters=["no_such_module_at_all:Mine"]):
            raise NotImplementedError


async def compute(pool: AsyncPool, note: Path, tool: str = "compute") -> None:
    await pool.call(tool, note=str(note))
