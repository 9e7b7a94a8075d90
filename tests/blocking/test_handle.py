"""The pool for code that blocks, over real workers."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.calls import CallPlace
from snakepit_nb.errors import (
    PoolClosedError,
    PoolNotFoundError,
    ToolError,
    UnsendableResultError,
    UsageError,
    WorkerStartError,
)
from snakepit_nb.worker import Adapter, tool
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

HERE = Path(__file__).parent
ON_PATH = {"PYTHONPATH": str(HERE)}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=1, name="handle", adapters=["script_tools:ScriptTools"], env=ON_PATH
    ) as started:
        yield started


def test_arguments_keep_their_types(pool: Pool) -> None:
    assert pool.call("echo", value={1: (2, {3})}) == {1: (2, {3})}
    assert pool.call("echo", {"value": b"bytes"}) == b"bytes"


def test_arguments_may_have_the_names_of_options(pool: Pool) -> None:
    assert pool.call("keyword", {"timeout": 1, "session": "mine"}, timeout=30) == "1 mine"


def test_a_tools_error_is_of_the_builtins_type(pool: Pool) -> None:
    with pytest.raises(ValueError, match="in the worker") as caught:
        pool.call("fail")

    assert isinstance(caught.value, ToolError)
    assert 'raise ValueError("in the worker")' in caught.value.remote_traceback


def test_a_correlation_id_among_the_arguments_names_the_call(pool: Pool) -> None:
    assert pool.call("correlation", correlation_id="by-hand") == "by-hand"
    with snakepit.correlation("sp-mine"):
        assert pool.call("correlation") == "sp-mine"
    assert pool.call("correlation") != pool.call("correlation")
    with pytest.raises(UsageError, match="printable ASCII"):
        pool.call("correlation", correlation_id="a\nb")


def test_a_stream_yields_its_items(pool: Pool) -> None:
    assert list(pool.stream("count", to=500)) == list(range(500))


def test_a_stream_that_is_closed_early_stops_its_tool(pool: Pool, tmp_path: Path) -> None:
    note = tmp_path / "stopped"
    stream = pool.stream("count_for_ever", note=str(note))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()

    assert pool.call("echo", value="the worker is free") == "the worker is free"
    assert note.exists()
    assert len(pool.status().workers) == 1


def test_a_stream_that_is_shown_yields_the_same_and_prints_how_it_ended(
    pool: Pool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SNAKEPIT_NONINTERACTIVE", "1")
    assert list(pool.stream("count", to=3, show=True)) == [0, 1, 2]
    stream = pool.stream("count_for_ever", note=str(tmp_path / "note"), show=True)
    assert next(stream) == 0
    stream.close()

    assert capsys.readouterr().out == (
        "0\n1\n2\ncount: 3 chunks, done\n0\ncount_for_ever: 1 chunk, cancelled\n"
    )
    assert pool.call("echo", value="the worker is free") == "the worker is free"


def test_a_stream_knows_where_its_call_is(pool: Pool, tmp_path: Path) -> None:
    note = str(tmp_path / "note")
    first, second = (pool.open_stream("count_for_ever", note=note) for _ in range(2))

    def read_to_the_end() -> None:
        with suppress(KeyboardInterrupt):
            list(second)

    chunks, waiting = iter(first), Thread(target=read_to_the_end)
    assert first.place() is None
    next(chunks)
    waiting.start()
    try:
        while (place := second.place()) is None:
            pass
        assert place == CallPlace(worker_id=None, ahead=0)
        assert first.place() == CallPlace(worker_id=pool.status().workers[0].worker_id)
    finally:
        second.cancel()
        first.cancel()
        waiting.join()


def test_a_session_is_ended_behind_its_with(pool: Pool) -> None:
    with pool.session("mine") as session:
        session.exec("x = 1")
        assert session["x"] == 1
    with pytest.raises(NameError), pool.session("mine") as session:
        session.exec("x")


def test_a_variable_that_cannot_come_back_is_named(pool: Pool) -> None:
    with pool.session("mine") as session:
        session["f"] = lambda number: number + 1
        session.exec("assert f(1) == 2")
        with pytest.raises(UnsendableResultError, match=r"variable 'f': .*function"):
            session["f"]
        with pytest.raises(KeyError, match="no variable of this name"):
            session["g"]


def test_a_class_of_the_users_own_can_be_an_adapter() -> None:
    class Own(Adapter):
        @tool
        def twice(self, number: int) -> int:
            return 2 * number

    with snakepit.start(workers=1, name="own", adapters=[Own]) as pool:
        assert pool.call("twice", number=21) == 42
    with pytest.raises(PoolClosedError):
        pool.call("twice", number=1)


class Waits(Adapter):
    thread_safe = True

    @tool
    async def wait(self, note: str) -> None:
        await anyio.Path(note).touch()
        await anyio.sleep_forever()

    @tool
    async def wait_on(self, note: str) -> AsyncIterator[int]:
        await anyio.Path(note).touch()
        yield 1
        await anyio.sleep_forever()


@pytest.mark.parametrize("profile", ["process", "thread"])
@pytest.mark.parametrize("name", ["wait", "wait_on"])
def test_what_is_ended_with_its_pool_is_told_so(name: str, profile: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    pool = snakepit.start(workers=1, name="ended", adapters=[Waits], profile=profile)
    with ThreadPoolExecutor() as threads:
        call = pool.call if name == "wait" else lambda *given: list(pool.stream(*given))
        told = threads.submit(call, name, {"note": str(note)})
        until(note.exists)
        pool.stop(now=True)

        with pytest.raises(PoolClosedError, match="was ended with its pool"):
            told.result()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "--workers 0: a pool needs at least 1 worker."),
        ({"wrokers": 2}, "A pool has no option 'wrokers': did you mean 'workers'?"),
        ({"workers": "2"}, "workers '2': give a whole number."),
        ({"call_timeout": "soon"}, "call_timeout 'soon': give a number of seconds or None."),
        ({"trust_results": "no"}, "trust_results 'no': give True or False."),
        ({"name": "a b"}, "--name 'a b': a pool's name is a Python identifier."),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        snakepit.start(**options)

    assert words in caught.value.message


def test_an_adapter_that_does_not_import_is_told_with_the_workers_words() -> None:
    with pytest.raises(WorkerStartError, match="no module 'no_such_module_at_all'"):
        snakepit.start(workers=1, name="broken", adapters=["no_such_module_at_all:Mine"])
    with pytest.raises(PoolNotFoundError):
        snakepit.pool("broken")


def test_a_pool_that_runs_with_other_options_is_not_reused(pool: Pool) -> None:
    with pytest.raises(UsageError, match="runs already, with other workers, adapters"):
        snakepit.start(workers=2, name=pool.name)


def test_a_script_prints_what_it_should_and_ends_without_a_process_left() -> None:
    lines = run_script("whole_life.py")
    pids = lines.pop(9)

    assert lines == [
        "True",
        "True",
        "<Pool 'script' 1 workers, load 0/1, 0 queued>",
        "(1, b'two')",
        "['compute', 'correlation', 'count', 'count_for_ever', 'echo', 'fail', 'keyword', 'wait']",
        "in a worker",
        "42",
        "2 1",
        "script True 5",
        "True False",
        "<Pool 'script' stopped>",
    ]
    assert not alive(pids)


def test_a_script_that_forgets_to_stop_its_pool_ends_all_the_same() -> None:
    (pids,) = run_script("forgets_to_stop.py")

    assert len(pids.split()) == 2
    assert not alive(pids)


@pytest.mark.parametrize("name", ["compute", "wait"])
def test_an_interrupted_call_has_really_ended_when_its_caller_goes_on(
    name: str, tmp_path: Path
) -> None:
    lines = run_script("is_interrupted.py", name, str(tmp_path / "note"))

    assert lines == ["interrupted True 0", "same worker w0"]


def test_calls_and_streams_may_be_interrupted_at_any_moment() -> None:
    assert run_script("is_interrupted_anywhere.py") == ["400 ['w0'] 0"]


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


def alive(pids: str) -> list[str]:
    return [pid for pid in pids.split() if Path(f"/proc/{pid}").exists()]
