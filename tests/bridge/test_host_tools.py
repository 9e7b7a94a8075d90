"""Functions of the notebook, called from the workers of a script's pool."""

import asyncio
import datetime as dt
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.bridge.host_tools import host_tools
from snakepit_nb.errors import CallTimeoutError, ToolError, UsageError
from snakepit_nb.telemetry.correlation import current_correlation_id
from tests.crashes.root import require_root

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

ON_PATH = {"PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=1, name="asking", adapters=["host_users:HostUser"], env=ON_PATH
    ) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_stays_exposed() -> Iterator[None]:
    yield
    for tool in host_tools:
        host_tools.remove(tool.spec.name)


def ask(pool: Pool, name: str, *arguments: object, **keywords: object) -> Any:  # noqa: ANN401 (the tool's)
    return pool.call("ask", name=name, arguments=list(arguments), keywords=keywords)


def test_what_nobody_exposes_cannot_be_called(pool: Pool) -> None:
    with pytest.raises(UsageError, match=r"@snakepit.expose|no host tool 'lookup'"):
        ask(pool, "lookup")


VALUES = [
    "text",
    "",
    "17",
    None,
    True,
    3,
    2**70,
    float("inf"),
    b"bytes",
    b"",
    [1, "a", None],
    {"a": {"b": [1]}},
    (1, (2,)),
    {1, 2},
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    Decimal("1.5"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_arguments_and_results_keep_their_types(pool: Pool, value: object) -> None:
    seen: list[object] = []

    @snakepit.expose
    def keep(first: object, *, second: object) -> object:
        seen.extend([first, second])
        return first

    returned = ask(pool, "keep", value, second=value)

    assert seen == [value, value]
    assert [type(one) for one in (*seen, returned)] == [type(value)] * 3
    assert returned == value


def test_arrays_travel_both_ways(pool: Pool) -> None:
    @snakepit.expose
    def double(array: Any) -> Any:  # noqa: ANN401 (numpy's)
        return array * 2

    array = np.arange(12, dtype="f4").reshape(3, 4)

    returned = ask(pool, "double", array)

    assert returned.dtype == array.dtype
    assert (returned == array * 2).all()


def test_a_plain_one_runs_in_the_thread_that_waits_for_the_call(pool: Pool) -> None:
    @snakepit.expose
    def where() -> str:
        return threading.current_thread().name

    from_a_thread: list[str] = []
    thread = threading.Thread(target=lambda: from_a_thread.append(ask(pool, "where")), name="mine")
    thread.start()
    thread.join()

    assert ask(pool, "where") == "MainThread"
    assert from_a_thread == ["mine"]


def test_where_no_thread_waits_it_gets_one_of_its_own(pool: Pool) -> None:
    @snakepit.expose
    def where() -> str:
        return threading.current_thread().name

    future = pool.exec_async(
        "from snakepit_nb.worker import host\nplace = host.where()", returns="place"
    )

    assert future.result(30)["place"] not in ("MainThread", "snakepit")


def test_async_ones_run_side_by_side_on_the_loop_of_all_pools(pool: Pool) -> None:
    arrived = 0
    all_are_here = asyncio.Event()

    @snakepit.expose
    async def meet(number: int) -> list[object]:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            all_are_here.set()
        await asyncio.wait_for(all_are_here.wait(), 10)
        return [number, threading.current_thread().name]

    met = pool.call("ask_at_once", name="meet", number=3)

    assert met == [[number, "snakepit"] for number in range(3)]


def test_an_async_tool_awaits_a_plain_function(pool: Pool) -> None:
    @snakepit.expose(name="look-up.2")
    def lookup(key: str) -> dict[str, int]:
        return {key: 1}

    assert pool.call("ask_async", name="look-up.2", arguments=["a"]) == {"a": 1}


def test_a_worker_learns_the_names(pool: Pool) -> None:
    snakepit.expose(len, name="b")
    snakepit.expose(len, name="a")

    assert pool.call("names") == ["a", "b"]


def test_a_session_has_functions_of_its_own_until_it_ends(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    snakepit.expose(lambda: "everybody's", name="whose")
    code = "from snakepit_nb.worker import host\nwhose = host.whose()"
    session = pool.session("own")
    session.expose(lambda: "its own", name="whose")
    session.exec(code)
    other = pool.session("other")
    other.exec(code)

    assert (session["whose"], other["whose"]) == ("its own", "everybody's")
    with caplog.at_level(logging.INFO, "snakepit_nb.bridge"):
        session.end()
    assert "session own: 1 tools removed" in caplog.messages
    session.exec(code)
    assert session["whose"] == "everybody's"


def test_the_correlation_id_goes_along(pool: Pool) -> None:
    snakepit.expose(current_correlation_id, name="correlation")

    with snakepit.correlation("sp-mine"):
        assert pool.call("ids") == ["sp-mine", "sp-mine"]


def test_the_host_tools_calls_are_spans_of_the_call_that_asked(pool: Pool) -> None:
    from opentelemetry import trace  # noqa: PLC0415 (only here)

    snakepit.expose(
        lambda: format(trace.get_current_span().get_span_context().trace_id, "032x"), name="trace"
    )

    with snakepit.correlation("sp-traced"):
        trace_id = ask(pool, "trace")

    from snakepit_nb.telemetry.ids import trace_id_of  # noqa: PLC0415 (only here)

    assert trace_id == format(trace_id_of("sp-traced"), "032x")


def test_an_exception_crosses_both_ways_with_type_and_traceback(pool: Pool) -> None:
    @snakepit.expose
    def fail() -> None:
        raise KeyError("lost key")

    assert pool.call("caught", name="fail") == "RemoteKeyError 'lost key'"
    with pytest.raises(KeyError) as caught:
        ask(pool, "fail")

    assert isinstance(caught.value, ToolError)
    assert caught.value.remote_type == "KeyError"
    assert caught.value.remote_traceback.index("in fail") < caught.value.remote_traceback.index(
        "in ask"
    )


def test_a_cells_error_is_of_the_builtin_type_too(pool: Pool) -> None:
    @snakepit.expose
    def fail() -> None:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(ZeroDivisionError, match="by nothing"):
        pool.exec("from snakepit_nb.worker import host\nhost.fail()")


@pytest.mark.parametrize(("arguments", "words"), [([], "missing"), ([1, 2], "too many")])
def test_a_call_that_does_not_fit_names_the_tool(
    pool: Pool, arguments: list[object], words: str
) -> None:
    @snakepit.expose
    def lookup(key: str) -> str:
        return key

    with pytest.raises(UsageError, match=rf"host tool 'lookup': {words}"):
        ask(pool, "lookup", *arguments)


def test_what_cannot_travel_is_named_in_either_direction(pool: Pool) -> None:
    snakepit.expose(lambda: {"deep": [object()]}, name="send")

    with pytest.raises(ToolError, match=r"\['deep'\]\[0\] is a `builtins.object`"):
        ask(pool, "send")


def test_one_that_is_exposed_again_takes_the_place_of_the_first(pool: Pool) -> None:
    snakepit.expose(lambda: 1, name="which")
    assert ask(pool, "which") == 1

    snakepit.expose(lambda: 2, name="which")
    assert ask(pool, "which") == 2


def test_an_interrupt_ends_the_function_and_the_call(pool: Pool) -> None:
    has_begun = threading.Event()

    @snakepit.expose
    def dawdle() -> None:
        has_begun.set()
        for _ in range(3000):
            time.sleep(0.01)

    def interrupt() -> None:
        has_begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    begun = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        ask(pool, "dawdle")

    assert time.monotonic() - begun < 25
    assert pool.call("echo", value=1) == 1


def test_a_timeout_ends_the_function_that_runs_on_the_main_thread(pool: Pool) -> None:
    ended: list[str] = []

    @snakepit.expose
    def dawdle() -> None:
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            ended.append("interrupted")

    with pytest.raises(CallTimeoutError):
        pool.call("ask", name="dawdle", arguments=[], keywords={}, timeout=0.5)

    assert ended == ["interrupted"]
    assert pool.call("echo", value=1) == 1


def test_a_call_of_the_same_pool_at_full_capacity_is_refused_and_not_waited_for(pool: Pool) -> None:
    @snakepit.expose
    def nested() -> int:
        found: int = pool.call("echo", value=7)
        return found

    with pytest.raises(
        ToolError, match=r"echo was called by a host tool, and can never run.*scale"
    ):
        ask(pool, "nested")

    pool.resize(2)
    assert ask(pool, "nested") == 7
    pool.resize(1)


def test_a_future_that_is_waited_for_at_full_capacity_is_refused(pool: Pool) -> None:
    @snakepit.expose
    def submitting() -> int:
        return pool.submit(len, "abc").result(20)

    @snakepit.expose
    def mapping() -> list[int]:
        return list(pool.map(len, ["a", "bc"]))

    for name in ("submitting", "mapping"):
        with pytest.raises(ToolError, match="can never run"):
            ask(pool, name)

    pool.resize(2)
    assert ask(pool, "submitting") == 3
    assert ask(pool, "mapping") == [1, 2]
    pool.resize(1)


def test_a_future_that_nobody_waits_for_runs_when_there_is_room(pool: Pool) -> None:
    futures: list[Any] = []

    @snakepit.expose
    def leaving() -> None:
        futures.append(pool.submit(len, "abc"))

    ask(pool, "leaving")

    assert futures[0].result(20) == 3


def test_a_cell_in_the_session_that_waits_for_it_is_refused(pool: Pool) -> None:
    @snakepit.expose
    def nested() -> None:
        pool.session("tied").exec("y = 1")

    pool.resize(2)
    with pytest.raises(ToolError, match="can never run"):
        pool.session("tied").exec("from snakepit_nb.worker import host\nhost.nested()")
    pool.resize(1)


def test_two_calls_that_hold_all_workers_do_not_wait_for_each_other(pool: Pool) -> None:
    both_are_here = threading.Barrier(2, timeout=20)

    @snakepit.expose
    def nested() -> int:
        both_are_here.wait()
        found: int = pool.call("echo", value=7)
        return found

    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(ask(pool, "nested"))
        except ToolError as error:
            outcomes.append("can never run" in error.message)

    pool.resize(2)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    pool.resize(1)

    assert sorted(map(str, outcomes)) == ["7", "True"]


def test_an_async_function_must_not_block_the_loop_of_all_pools(pool: Pool) -> None:
    @snakepit.expose
    async def blocking() -> object:
        return pool.call("echo", value=1)

    @snakepit.expose
    async def beside() -> object:
        return await asyncio.to_thread(pool.call, "echo", value=1)

    pool.resize(2)
    with pytest.raises(UsageError, match=r"asyncio\.to_thread"):
        ask(pool, "blocking")
    assert ask(pool, "beside") == 1
    pool.resize(1)


def test_functions_of_workers_with_threads_run_for_each_call() -> None:
    @snakepit.expose
    def add(one: int) -> int:
        return one + 1

    with snakepit.start(
        workers=1,
        name="threads",
        profile="thread",
        threads=4,
        adapters=["host_users:HostUser"],
        env=ON_PATH,
    ) as threads:
        found: list[int] = []

        def run(number: int) -> None:
            found.append(ask(threads, "add", number))

        running = [threading.Thread(target=run, args=[number]) for number in range(8)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(30)

        snakepit.expose(lambda: time.sleep(20), name="dawdle")
        with pytest.raises(CallTimeoutError, match="was interrupted"):
            threads.call("ask", name="dawdle", arguments=[], keywords={}, timeout=0.5)

    assert sorted(found) == [*range(1, 9)]


def test_another_users_process_cannot_connect(pool: Pool) -> None:
    require_root("be another user")
    snakepit.expose(len, name="any")  # so that somebody listens
    socket = pool._feed.doors._bound

    tried = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "strangers.py"), str(socket)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert socket is not None
    assert socket.is_socket()
    assert tried.stderr.strip() == "refused"
