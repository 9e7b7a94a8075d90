"""The pool as an Executor, over real workers."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import anyio
import pytest
from tqdm import tqdm

import snakepit_nb as snakepit
from snakepit_nb.blocking.function_calls import chunk_submitter
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import (
    PoolClosedError,
    ToolError,
    UnsendableResultError,
    UsageError,
    WorkerCrashedError,
)
from snakepit_nb.worker import current_call
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

HERE = Path(__file__).parent
OPTIONS: dict[str, Any] = {
    "adapters": ["script_tools:ScriptTools"],
    "env": {"PYTHONPATH": str(HERE)},
    "interrupt_grace": 30.0,  # the functions note their end in files, and a disk may be slow
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(workers=2, name="executor", queue_size=10, **OPTIONS) as started:
        yield started


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    """A pool of one worker, for a test that ends it."""
    with snakepit.start(workers=1, name="own", **OPTIONS) as started:
        yield started


class Gate:
    """A function that notes when it begins and ends, and goes on until the gate is opened."""

    def __init__(self, directory: Path, name: str = "gate") -> None:
        self.begun, self.opened, self.ended = (
            directory / f"{name}.{word}" for word in ("begun", "opened", "ended")
        )

    @property
    def function(self) -> Callable[[], str]:
        begun, opened, ended = self.begun, self.opened, self.ended

        def passes() -> str:
            try:
                begun.touch()
                while not opened.exists():
                    time.sleep(0.01)
            finally:
                ended.touch()
            return "passed"

        return passes


def loads(pool: Pool) -> dict[str, int]:
    return {worker.worker_id: worker.load for worker in pool.status().workers}


def square() -> Callable[[int], int]:
    return lambda number: number * number


def test_a_pool_is_an_executor(pool: Pool) -> None:
    assert isinstance(pool, Executor)


def test_functions_of_every_kind_run_in_a_worker(pool: Pool) -> None:
    factor = 3

    async def awaiting(number: int) -> int:
        await anyio.lowlevel.checkpoint()
        return factor * number

    def plain(number: int, *, plus: int) -> int:
        return factor * number + plus

    waits: Callable[[int], Any] = awaiting
    assert pool.submit(plain, 2, plus=1).result() == 7
    assert pool.submit(waits, 2).result() == 6
    assert pool.submit(lambda: factor).result() == 3
    assert pool.submit(os.getpid).result() in {worker.pid for worker in pool.status().workers}
    assert pool.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}


def test_what_runs_is_shown_by_its_name(pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    future = pool.submit(gate.function)
    until(gate.begun.exists)

    (shown,) = [call.what for worker in pool.status().workers for call in worker.calls]
    gate.opened.touch()

    assert shown.endswith("passes")
    assert future.result() == "passed"


def test_functions_of_a_script_travel() -> None:
    assert run_script("maps.py") == ["[1, 4, 9]", "Point(x=2, y=1)", "ValueError not a point"]


def test_the_functions_of_the_standard_library_take_its_futures(pool: Pool) -> None:
    futures = [pool.submit(square(), number) for number in range(20)]

    assert {future.result() for future in as_completed(futures)} == {n * n for n in range(20)}
    assert wait(futures).not_done == set()
    assert all(future.done() and not future.running() for future in futures)


def test_a_future_can_be_awaited_on_asyncio_and_trio(pool: Pool) -> None:
    async def main() -> int:
        return await pool.submit(square(), 5)

    async def main_of_asyncio() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        first, second = await asyncio.gather(
            loop.run_in_executor(pool, square(), 6), asyncio.wrap_future(pool.submit(square(), 7))
        )
        return first, second

    assert [anyio.run(main, backend=backend) for backend in ("asyncio", "trio")] == [25, 25]
    assert asyncio.run(main_of_asyncio()) == (36, 49)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_who_awaits_and_is_cancelled_cancels(pool: Pool, backend: str, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    future = pool.submit(gate.function)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(awaits)
            await anyio.to_thread.run_sync(until, gate.begun.exists)
            tasks.cancel_scope.cancel()

    async def awaits() -> None:
        await future

    anyio.run(main, backend=backend)
    assert future.cancelled()
    until(gate.ended.exists)


def test_an_error_has_its_type_and_the_users_frames_only(pool: Pool) -> None:
    def inner() -> None:
        raise LookupError("not there")

    def outer() -> None:
        inner()

    failed = pool.submit(outer)
    with pytest.raises(LookupError, match="not there") as caught:
        failed.result()

    assert isinstance(caught.value, ToolError)
    frames = [line for line in caught.value.remote_traceback.splitlines() if "File " in line]
    assert [frame.rpartition(" in ")[2] for frame in frames] == ["outer", "inner"]
    shown = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert shown[1:] == ["result", "__get_result"]  # none of ours
    assert "raised RemoteLookupError" in repr(failed)


def test_a_worker_that_crashes_fails_its_call_only(own_pool: Pool) -> None:
    crashing, next_one = own_pool.submit(os._exit, 3), own_pool.submit(square(), 2)

    with pytest.raises(WorkerCrashedError, match="exit code 3"):
        crashing.result()
    assert next_one.result() == 4


def test_what_cannot_be_pickled_is_named_at_once(pool: Pool) -> None:
    lock = threading.Lock()

    def captures() -> bool:
        return lock.locked()

    prints: Callable[..., None] = print
    with pytest.raises(UsageError, match=r"The function .*captures cannot be sent.*'_thread.lock'"):
        pool.submit(captures)
    with pytest.raises(UsageError, match=r"Argument 2 of print, a `lock`, cannot be sent"):
        pool.submit(prints, 1, lock)
    with pytest.raises(UsageError, match="Argument 'file' of print"):
        pool.submit(prints, 1, file=lock)
    with pytest.raises(UsageError, match="captures cannot be sent"):
        pool.map(captures, [])


def test_a_result_that_does_not_travel_names_its_type_and_the_switch(pool: Pool) -> None:
    with pytest.raises(UnsendableResultError, match=r"_thread.lock.*trust_results=True"):
        pool.submit(threading.Lock).result()

    results = pool.map(
        lambda number: threading.Lock() if number == 2 else number, range(5), chunksize=4
    )
    assert list(islice(results, 2)) == [0, 1]
    with pytest.raises(UnsendableResultError, match=r"_thread.lock.*trust_results=True"):
        next(results)


def test_results_of_a_trusted_pool_are_unpickled_where_they_must_be() -> None:
    class Own:
        def __init__(self, number: int) -> None:
            self.number = number

    with snakepit.start(workers=1, name="trusted", trust_results=True) as pool:
        assert isinstance(pool.submit(Own, 1).result(), Own)
        assert [own.number for own in pool.map(Own, range(5), chunksize=2)] == list(range(5))
        assert pool.submit(square(), 3).result() == 9
        with pytest.raises(UnsendableResultError, match="Nor can it be pickled"):
            pool.submit(threading.Lock).result()


def test_a_map_is_in_order_whatever_its_chunks(pool: Pool) -> None:
    for chunksize in (1, 7, 100):
        found = pool.map(pow, range(50), [2] * 40, chunksize=chunksize)
        assert list(found) == [number**2 for number in range(40)]
    assert list(pool.map(pow)) == list(pool.map(pow, [], [])) == []
    with pytest.raises(UsageError, match="chunksize=0"):
        pool.map(pow, [], chunksize=0)


def test_a_map_runs_ahead_of_its_reader_but_not_far(pool: Pool, tmp_path: Path) -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    def touch(number: int) -> int:
        (tmp_path / str(number)).touch()
        return number

    results = pool.map(touch, endless(), chunksize=2)
    until((tmp_path / "10").exists)
    assert len(taken) == 2000
    assert list(islice(results, 5)) == list(range(5))
    assert len(taken) == 2006
    results.close()

    assert pool.submit(square(), 3).result() == 9
    assert not (tmp_path / "1999").exists()


def test_an_error_stands_at_its_place_in_a_map(pool: Pool) -> None:
    def breaks_off() -> Iterator[int]:
        yield from (1, 2, 4, 0)

    def falls() -> Iterator[int]:
        yield from (1, 2, 4)
        raise LookupError("no more of them")

    for numbers, kind in ((breaks_off(), ZeroDivisionError), (falls(), LookupError)):
        results = pool.map(lambda number: 4 / number, numbers, chunksize=2)
        assert list(islice(results, 3)) == [4, 2, 1]
        with pytest.raises(kind):
            next(results)
        assert list(results) == []


def test_quick_chunks_travel_together_and_slow_ones_do_not(pool: Pool) -> None:
    def slow(number: int) -> int:
        time.sleep(0.03)
        return number

    quick = square()
    for function, few in ((quick, True), (slow, False)):
        list(pool.map(function, range(4)))  # to learn its pace
        finished = pool.status().finished
        assert list(pool.map(function, range(40))) == [function(n) for n in range(40)]
        calls = pool.status().finished - finished
        assert calls < 40 if few else calls == 40


def test_a_function_that_nobody_knows_sends_no_chunk_ahead_of_a_free_worker(
    pool: Pool, tmp_path: Path
) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    functions = [gate.function for gate in gates] + 18 * [str]
    values = pool.map(lambda function: function(), functions)
    until(lambda: all(gate.begun.exists() for gate in gates))
    assert pool.status().queued == ()

    for gate in gates:
        gate.opened.touch()
    assert list(values) == 2 * ["passed"] + 18 * [""]


def test_two_maps_of_one_function_keep_their_ids_apart(pool: Pool) -> None:
    def seen(_: int) -> str:
        return current_call().correlation_id

    list(pool.map(seen, range(4)))  # to learn its pace
    with snakepit.correlation("first"):
        first = pool.map(seen, range(30))
    with snakepit.correlation("second"):
        second = pool.map(seen, range(30))

    assert set(first) == {"first"}
    assert set(second) == {"second"}


def test_an_argument_that_cannot_be_loaded_stands_at_its_place_in_a_map(pool: Pool) -> None:
    class Unloadable:
        def __init__(self, number: int) -> None:
            self.number = number

        def __reduce__(self) -> tuple[Any, ...]:
            if self.number == 25:
                return exec, ("raise ValueError('not loadable')",)
            return int, ()

    list(pool.map(int, range(4)))
    values = pool.map(int, [Unloadable(number) for number in range(40)])

    assert list(islice(values, 25)) == [0] * 25
    with pytest.raises(ValueError, match="not loadable"):
        next(values)


def test_cancel_ends_what_waits_here_too(own_pool: Pool, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, str(number)) for number in range(12)]
    futures = [own_pool.submit(gate.function) for gate in gates]
    until(gates[0].begun.exists)

    assert own_pool.cancel() == len(futures)

    assert all(future.cancelled() or future.exception() for future in futures)
    assert [gate.begun.exists() for gate in gates] == [True] + 11 * [False]
    assert own_pool.status().queued == ()


def test_what_stands_behind_an_error_in_its_call_runs_all_the_same(pool: Pool) -> None:
    def refuses_13(number: int) -> int:
        if number == 13:
            raise ValueError("thirteen")
        return number

    list(pool.map(refuses_13, range(4)))
    submit = chunk_submitter(pool._feed, refuses_13)
    outcomes = [future.result() for future in [submit([(number,)]) for number in range(40)]]

    assert [list(outcome.values) for outcome in outcomes] == [
        [] if number == 13 else [number] for number in range(40)
    ]
    assert [number for number, outcome in enumerate(outcomes) if outcome.error] == [13]


def test_a_map_that_takes_too_long_cancels_the_rest(pool: Pool, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    results = pool.map(lambda function: function(), [gate.function for gate in gates], timeout=0.0)

    with pytest.raises(TimeoutError):
        next(results)
    until(lambda: loads(pool) == {"w0": 0, "w1": 0})
    assert all(gate.ended.exists() for gate in gates if gate.begun.exists())


def test_a_map_shows_its_progress(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert list(pool.map(abs, range(5), chunksize=2, progress=True)) == list(range(5))
    assert "5/5" in capfd.readouterr().err

    assert len(list(pool.map(abs, iter(range(5)), progress=True))) == 5
    assert "5it" in capfd.readouterr().err

    futures = [pool.submit(abs, number) for number in range(5)]
    assert len(list(tqdm(as_completed(futures), total=len(futures)))) == 5
    assert "5/5" in capfd.readouterr().err

    monkeypatch.setenv("SNAKEPIT_NONINTERACTIVE", "1")
    assert len(list(pool.map(abs, range(5), progress=True))) == 5
    assert capfd.readouterr().err == ""


def test_a_waiting_call_that_is_cancelled_never_runs(pool: Pool, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    running = [pool.submit(gate.function) for gate in gates]
    note = tmp_path / "ran"
    waiting = [pool.submit(note.touch) for _ in range(20)]
    until(lambda: all(gate.begun.exists() for gate in gates))
    assert not any(future.running() for future in waiting)
    assert " waits [sp-" in repr(waiting[0])

    told: list[Future[Any]] = []
    waiting[0].add_done_callback(told.append)
    assert all(future.cancel() and future.cancelled() for future in waiting)
    assert told == [waiting[0]]
    assert wait(waiting, timeout=0).not_done == set()
    with pytest.raises(CancelledError):
        waiting[0].result()

    for gate in gates:
        gate.opened.touch()
    assert [future.result() for future in running] == ["passed", "passed"]
    assert pool.submit(square(), 3).result() == 9
    assert not note.exists()


def test_a_running_call_that_is_cancelled_frees_its_worker(pool: Pool, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    running = [pool.submit(gate.function) for gate in gates]
    until(lambda: all(gate.begun.exists() for gate in gates))
    assert all(future.running() for future in running)
    assert " runs [sp-" in repr(running[0])

    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(wait, running, return_when=FIRST_COMPLETED)
        assert running[0].cancel()
        assert running[0].cancel()
        assert waits.result().done == {running[0]}
    assert running[0].cancelled()
    assert not running[0].running()
    until(lambda: sorted(loads(pool).items()) in ([("w0", 0), ("w1", 1)], [("w0", 1), ("w1", 0)]))
    assert gates[0].ended.exists()

    gates[1].opened.touch()
    assert running[1].result() == "passed"
    assert not running[1].cancel()


def test_submits_wait_without_bound_and_starve_nobody(pool: Pool) -> None:
    futures = [pool.submit(square(), number) for number in range(5000)]

    assert pool.call("echo", value="not behind them") == "not behind them"
    assert not futures[-1].done()
    assert [future.result() for future in futures] == [number**2 for number in range(5000)]


def test_submits_wait_while_others_fill_the_queue(pool: Pool, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    running = [pool.submit(gate.function) for gate in gates]
    until(lambda: all(gate.begun.exists() for gate in gates))
    with ThreadPoolExecutor(10) as threads:
        calls = [threads.submit(pool.call, "echo", value=number) for number in range(10)]
        until(lambda: len(pool.status().queued) == 10)
        futures = [pool.submit(square(), number) for number in range(20)]
        for gate in gates:
            gate.opened.touch()

        assert [call.result() for call in calls] == list(range(10))
    assert [future.result() for future in futures] == [number**2 for number in range(20)]
    assert {future.result() for future in running} == {"passed"}


def test_many_threads_may_submit_at_once(pool: Pool) -> None:
    def submits(start: int) -> list[int]:
        futures = [pool.submit(square(), number) for number in range(start, start + 50)]
        return [future.result() for future in futures]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(submits, range(0, 400, 50)))

    assert list(chain.from_iterable(found)) == [number**2 for number in range(400)]


def test_a_callback_may_submit_and_look(pool: Pool) -> None:
    chained: Future[int] = Future()

    def submits_next(done: Future[int]) -> None:
        pool.status()
        next_one = pool.submit(square(), done.result())
        next_one.add_done_callback(lambda future: chained.set_result(future.result()))

    pool.submit(square(), 2).add_done_callback(submits_next)
    assert chained.result(timeout=20) == 16


def test_calls_have_the_surrounding_correlation_id(pool: Pool) -> None:
    def own_id(_: int = 0) -> str:
        return current_call().correlation_id

    with snakepit.correlation("sp-mine"):
        future = pool.submit(own_id)
        mapped = pool.map(own_id, range(3))
    assert future.correlation_id == future.result() == "sp-mine"
    assert set(mapped) == {"sp-mine"}

    assert len(set(pool.map(own_id, range(3)))) == 1  # all of a map
    assert pool.submit(own_id).result() != pool.submit(own_id).result()


def test_a_resized_pool_is_fed_as_much_as_it_takes(own_pool: Pool, tmp_path: Path) -> None:
    own_pool.resize(2)
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    running = [own_pool.submit(gate.function) for gate in gates]
    until(lambda: all(gate.begun.exists() for gate in gates))
    for gate in gates:
        gate.opened.touch()
    own_pool.resize(1)

    assert [future.result() for future in running] == ["passed", "passed"]
    assert own_pool.submit(square(), 3).result() == 9


def test_a_drained_worker_leaves_a_pool_that_is_fed_less(own_pool: Pool) -> None:
    own_pool.resize(2)
    with pytest.raises(UsageError, match=r"no worker 'w7'.*w0"):
        own_pool.drain("w7")
    own_pool.drain("w0")

    assert own_pool.submit(square(), 3).result() == 9
    assert own_pool._feed._capacity == 1
    with pytest.raises(UsageError, match="w1 is the last"):
        own_pool.drain("w1")


def test_shutdown_lets_what_was_submitted_finish(own_pool: Pool) -> None:
    futures = [own_pool.submit(square(), number) for number in range(50)]
    own_pool.shutdown()

    assert all(future.done() for future in futures)
    assert futures[-1].result() == 49**2
    assert not own_pool.is_running
    with pytest.raises(RuntimeError, match="is stopped") as caught:
        own_pool.submit(abs, 1)
    assert isinstance(caught.value, PoolClosedError)
    with pytest.raises(PoolClosedError):
        own_pool.map(abs, [])
    own_pool.shutdown(wait=False, cancel_futures=True)


def test_shutdown_without_waiting_lets_it_finish_too(own_pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    futures = [own_pool.submit(gate.function) for _ in range(10)]
    own_pool.shutdown(wait=False)
    with pytest.raises(PoolClosedError, match="is shut down"):
        own_pool.submit(abs, 1)
    assert own_pool.is_running

    gate.opened.touch()
    assert {future.result() for future in futures} == {"passed"}
    own_pool.shutdown()
    assert not own_pool.is_running


def test_shutdown_may_cancel_what_has_not_begun(own_pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    running, *waiting = (own_pool.submit(gate.function) for _ in range(10))
    until(gate.begun.exists)
    own_pool.shutdown(wait=False, cancel_futures=True)

    assert all(future.cancelled() for future in waiting)
    gate.opened.touch()
    assert running.result() == "passed"
    own_pool.shutdown()


def test_a_stopped_pool_leaves_no_future_undone(own_pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    futures = [own_pool.submit(gate.function) for _ in range(100)]
    until(gate.begun.exists)
    own_pool.stop(now=True)

    assert all(type(future.exception(timeout=0)) is PoolClosedError for future in futures)
    with pytest.raises(PoolClosedError, match="is stopped"):
        own_pool.submit(abs, 1)


def test_an_interrupted_map_leaves_the_pool_healthy(tmp_path: Path) -> None:
    lines = run_script("map_is_interrupted.py", str(tmp_path / "note"))

    assert lines == ["0", "interrupted", "0 of the rest ran", "healthy w0"]


def test_a_process_does_not_end_before_its_pool_that_was_shut_down(tmp_path: Path) -> None:
    lines = run_script("shuts_down.py", str(tmp_path))

    assert lines == ["True"]
    assert len(list(tmp_path.glob("note*"))) == 50


def run_script(name: str, *arguments: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, str(HERE / "scripts" / name), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()
