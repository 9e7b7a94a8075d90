"""What calls leave of themselves: one id, and one trace, from the caller to the tool."""

import dataclasses
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from opentelemetry import baggage
from opentelemetry import context as contexts

import snakepit_nb as snakepit
from snakepit_nb.blocking import face
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import (
    CallTimeoutError,
    SnakepitError,
    ToolError,
    UsageError,
    WorkerCrashedError,
)
from snakepit_nb.observations import (
    CORRELATION_ATTRIBUTE,
    LOST_ATTRIBUTE,
    LogEntry,
    Part,
    Trace,
)
from snakepit_nb.telemetry.log_ring import logs
from snakepit_nb.telemetry.traces import traces
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

OPTIONS: dict[str, Any] = {
    "adapters": ["traced_tools:TracedTools"],
    "env": {"PYTHONPATH": str(Path(__file__).parent)},
}
AT_ONCE = 8
CALLER = logging.getLogger("caller")

WHOLE = {Part.CALL, Part.QUEUE, Part.RPC, Part.WORKER, Part.TOOL}

Found = dict[str, list[str]]


@pytest.fixture(scope="module", params=["process", "thread"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Of each profile one that runs 8 calls at once."""
    sizes: dict[str, dict[str, Any]] = {
        "process": {"workers": AT_ONCE},
        "thread": {"workers": 1, "threads": AT_ONCE},
    }
    profile: str = request.param
    with snakepit.start(name=profile, profile=profile, **sizes[profile], **OPTIONS) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="module")
def plain() -> Iterator[Pool]:
    """One with a single worker."""
    with snakepit.start(1, name="plain", **OPTIONS) as started:
        yield started


def unary(pool: Pool, mark: str) -> list[Found]:
    return [pool.call("seen", mark=mark)]


def stream(pool: Pool, mark: str) -> list[Found]:
    return list(pool.stream("stream_seen", mark=mark))


def cell(pool: Pool, mark: str) -> list[Found]:
    code = f"import traced_tools\nfound = traced_tools.seen({mark!r})"
    return [found_by(pool, code, session=f"session-{mark}")]


def found_by(pool: Pool, code: str, session: str) -> Found:
    reply = pool.run_cell(code, session=session, returns=("found",))
    return cast("Found", reply.returns["found"])


def submit(pool: Pool, mark: str) -> list[Found]:
    return [pool.submit(seen_there, mark).result()]


def mapped(pool: Pool, mark: str) -> list[Found]:
    return list(pool.map(seen_there, [f"{mark}-1", f"{mark}-2"]))


def seen_there(mark: str) -> Found:
    from traced_tools import seen  # type: ignore[import-not-found] # noqa: PLC0415 (in workers)

    found: Found = seen(mark)
    return found


KINDS: list[Callable[[Pool, str], list[Found]]] = [unary, stream, cell, submit, mapped]


def ids_in(found: list[Found]) -> set[str]:
    """All ids that a call met; each request has exactly one in its header."""
    assert all(len(each["header"]) == len(each["parent"]) == 1 for each in found)
    return {value for each in found for key in each if key != "parent" for value in each[key]}


def lines_about(mark: str, number: int, logger: str = "traced") -> list[LogEntry]:
    """Lines with a mark in them, once there are as many."""

    def lines() -> list[LogEntry]:
        kept = logs.find(number=10_000)
        return [each for each in kept if each.logger == logger and mark in each.message]

    until(lambda: len(lines()) >= number)
    return lines()


def counted(trace: Trace) -> Counter[Part | None]:
    return Counter(span.part for span in trace.spans)


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_id_is_everywhere(pool: Pool, kind: Callable[[Pool, str], list[Found]]) -> None:
    mine = f"mine-{kind.__name__}-{pool.name}"

    with snakepit.correlation(mine):
        CALLER.warning("calls %s", mine)
        found = kind(pool, mine)

    assert ids_in(found) == {mine}
    assert {each.correlation_id for each in lines_about(mine, 2 * len(found))} == {mine}
    assert {each.correlation_id for each in lines_about(mine, 1, "caller")} == {mine}
    trace = face.trace(mine)
    told = [span.attributes.get(CORRELATION_ATTRIBUTE, mine) for span in trace.spans]
    assert set(told) == {mine}
    assert set(counted(trace)) == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_up_id_is_everywhere(pool: Pool, kind: Callable[[Pool, str], list[Found]]) -> None:
    mark = f"any-{kind.__name__}-{pool.name}"

    found = kind(pool, mark)

    (made_up,) = ids_in(found)
    assert made_up.startswith("sp-")
    assert {each.correlation_id for each in lines_about(mark, 2 * len(found))} == {made_up}
    assert face.trace(made_up).correlation_id == made_up


@pytest.mark.parametrize("kind", ["tools", "cells"])
def test_eight_at_once_are_never_mixed_up(pool: Pool, kind: str, tmp_path: Path) -> None:
    ids = [f"{kind}-{pool.name}-{number}" for number in range(AT_ONCE)]
    make = {"tools": meet_in_a_tool, "cells": meet_in_a_cell}[kind]
    found: dict[str, Found] = {}

    def caller(mine: str) -> None:
        with snakepit.correlation(mine):
            CALLER.warning("calls %s", mine)
            found[mine] = make(pool, mine, tmp_path)

    threads = [threading.Thread(target=caller, args=(mine,)) for mine in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {mine: ids_in([each]) for mine, each in found.items()} == {mine: {mine} for mine in ids}
    for mine in ids:
        lines = [*lines_about(mine, 2), *lines_about(mine, 1, "caller")]
        assert {each.correlation_id for each in lines} == {mine}
        assert {each.session_id for each in lines[:2]} == {mine if kind == "cells" else ""}
        trace = face.trace(mine)
        assert counted(trace) == dict.fromkeys(WHOLE, 1)
        assert {span.trace_id for span in trace.spans} == {trace.trace_id}
        (rpc,) = (span for span in trace.spans if span.part is Part.RPC)
        assert found[mine]["parent"] == [f"00-{rpc.trace_id:032x}-{rpc.span_id:016x}-01"]


def meet_in_a_tool(pool: Pool, mark: str, meeting: Path) -> Found:
    found: Found = pool.call("seen", mark=mark, meeting=str(meeting), of=AT_ONCE)
    return found


def meet_in_a_cell(pool: Pool, mark: str, meeting: Path) -> Found:
    arguments = f"({mark!r}, {str(meeting)!r}, {AT_ONCE})"
    code = f"import traced_tools\nfound = traced_tools.seen{arguments}"
    return found_by(pool, code, session=mark)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_eight_awaited_at_once_are_never_mixed_up(tmp_path: Path, anyio_backend: str) -> None:
    ids = [f"{anyio_backend}-{number}" for number in range(AT_ONCE)]
    found: dict[str, Found] = {}

    async def caller(mine: str) -> None:
        with snakepit.correlation(mine):
            arguments = {"mark": mine, "meeting": str(tmp_path), "of": AT_ONCE}
            found[mine] = await awaited.call("seen", arguments)

    async with (
        snakepit.open_pool(1, name="awaited", profile="thread", threads=8, **OPTIONS) as awaited,
        anyio.create_task_group() as tasks,
    ):
        for mine in ids:
            tasks.start_soon(caller, mine)

    assert {mine: ids_in([each]) for mine, each in found.items()} == {mine: {mine} for mine in ids}
    for mine in ids:
        assert {each.correlation_id for each in lines_about(mine, 2)} == {mine}
        assert counted(face.trace(mine)) == dict.fromkeys(WHOLE, 1)


def test_an_id_in_the_callers_baggage_names_the_call_unless_one_is_given(plain: Pool) -> None:
    token = contexts.attach(baggage.set_baggage("correlation_id", "carried"))
    try:
        by_baggage = plain.call("seen", mark="baggage")
        with snakepit.correlation("given"):
            by_hand = plain.call("seen", mark="baggage")
        by_argument = plain.call("seen", mark="baggage", correlation_id="argued")
    finally:
        contexts.detach(token)

    assert ids_in([by_baggage]) == {"carried"}
    assert ids_in([by_hand]) == {"given"}
    assert ids_in([by_argument]) == {"argued"}


def test_spans_lie_within_each_other_from_the_call_to_the_tool(plain: Pool) -> None:
    with snakepit.correlation("nested"):
        plain.call("seen", mark="nested")

    spans = {span.part: span for span in face.trace("nested").spans}

    way = [Part.CALL, Part.RPC, Part.WORKER, Part.TOOL]
    for outer, inner in pairwise(way):
        assert spans[inner].parent_id == spans[outer].span_id
        assert spans[outer].begun <= spans[inner].begun <= spans[inner].ended <= spans[outer].ended
    assert spans[Part.QUEUE].parent_id == spans[Part.CALL].span_id
    assert [spans[part].worker_id for part in way] == ["", "", "plain/w0", "plain/w0"]
    assert spans[Part.TOOL].name == "tool seen"


def test_a_tools_error_is_told_on_all_its_way(plain: Pool) -> None:
    with snakepit.correlation("failing"), pytest.raises(ToolError):
        plain.call("fail")

    spans = {span.part: span for span in face.trace("failing").spans}

    assert {part for part, span in spans.items() if span.is_error} >= {Part.CALL, Part.TOOL}
    assert spans[Part.TOOL].error == "ValueError: bad"


def test_a_worker_whose_tools_do_not_use_it_has_not_loaded_opentelemetry(plain: Pool) -> None:
    loaded = plain.call("modules")

    assert [name for name in loaded if name.startswith("opentelemetry")] == []


def test_without_telemetry_there_are_no_spans_and_no_header_asks_for_any() -> None:
    with (
        snakepit.start(1, name="silent", telemetry=False, **OPTIONS) as silent,
        snakepit.correlation("untold"),
    ):
        found = silent.call("seen", mark="untold")

    assert found["parent"] == []
    assert found["header"] == ["untold"]
    assert traces.find("untold") is None
    with pytest.raises(UsageError, match="There is no trace 'untold'"):
        face.trace("untold")


def test_a_crash_in_the_middle_of_a_call_is_told_and_not_waited_for(plain: Pool) -> None:
    with snakepit.correlation("crashing"), pytest.raises(WorkerCrashedError):
        plain.call("crash")

    begun = time.monotonic()
    spans = {span.part: span for span in face.trace("crashing").spans}

    assert time.monotonic() - begun < face.SECONDS_FOR_SPANS / 2
    assert spans.keys() == {Part.CALL, Part.QUEUE, Part.RPC}
    assert spans[Part.CALL].error.startswith("WorkerCrashedError: Worker w0 is gone while it ran")
    assert spans[Part.RPC].attributes[LOST_ATTRIBUTE] is True


def test_a_call_that_its_worker_was_killed_for_is_not_waited_for() -> None:
    with (
        snakepit.start(1, name="stubborn", interrupt_grace=0.1, **OPTIONS) as pool,
        snakepit.correlation("stubborn"),
        pytest.raises(CallTimeoutError, match="its worker was killed"),
    ):
        pool.call("go_on", timeout=0.1)

    begun = time.monotonic()
    spans = {span.part: span for span in face.trace("stubborn").spans}

    assert time.monotonic() - begun < face.SECONDS_FOR_SPANS / 2
    assert spans.keys() == {Part.CALL, Part.QUEUE, Part.RPC}
    assert spans[Part.CALL].error.startswith("CallTimeoutError: go_on ran for longer than 0.1 s")


def test_workers_of_the_same_id_are_told_apart_by_their_pools() -> None:
    with (
        snakepit.start(1, name="left", **OPTIONS) as left,
        snakepit.start(1, name="right", **OPTIONS) as right,
        snakepit.correlation("both"),
    ):
        left.call("seen", mark="both-left")
        right.call("seen", mark="both-right")
        trace = face.trace("both")
        lines = lines_about("both-", 4)

    workers = {span.worker_id for span in trace.spans if span.part is Part.TOOL}
    assert workers == {"left/w0", "right/w0"}
    assert {(each.worker_id, each.message.split("-")[-1]) for each in lines} == {
        ("left/w0", "left"),
        ("right/w0", "right"),
    }
    assert {each.worker_id for each in face.logs("left/w0")} == {"left/w0"}


def test_that_a_worker_tells_of_its_calls_does_not_hold_up_its_end() -> None:
    with snakepit.start(1, name="brief", **OPTIONS) as brief:
        brief.call("seen", mark="brief")
        begun = time.monotonic()

    assert time.monotonic() - begun < 0.9  # of the second that a worker's server has for its calls


def test_what_a_worker_logs_and_traces_to_its_very_end_comes_home() -> None:
    with snakepit.start(1, name="ending", **OPTIONS) as ending, snakepit.correlation("at-the-end"):
        ending.call("seen", mark="at-the-end")

    begun = time.monotonic()
    trace = face.trace("at-the-end")

    assert time.monotonic() - begun < face.SECONDS_FOR_SPANS / 2
    assert counted(trace)[Part.TOOL] == 1
    assert len(lines_about("at-the-end", 2)) == 2


def test_values_of_parameters_are_in_nothing_that_is_logged_or_traced() -> None:
    value = "the-value-of-a-parameter"
    before = logging.root.level
    logging.root.setLevel(logging.DEBUG)
    options = {**OPTIONS, "env": {**OPTIONS["env"], "SNAKEPIT_LOG_LEVEL": "DEBUG"}}
    try:
        with snakepit.start(1, name="discreet", **options) as pool, snakepit.correlation("quiet"):
            pool.run_cell(f"x = {value!r}", session="quiet")
            pool.submit(len, value).result()
            list(pool.map(len, [value]))
            with pytest.raises(UsageError):
                list(pool.stream("count", to=value))
            for tool, arguments in (
                ("whole", {"number": value}),
                ("whole", {"number": 1, "unknown": value}),
                ("whole", {"number": [value, object()]}),
                ("no_such_tool", {"text": value}),
            ):
                with pytest.raises(SnakepitError):
                    pool.call(tool, arguments)
            trace = face.trace("quiet")
    finally:
        logging.root.setLevel(before)

    told = [*map(dataclasses.asdict, trace.spans), *map(dataclasses.asdict, logs.find(number=9999))]
    assert len(trace.spans) > 10
    assert [str(each) for each in told if value in str(each)] == []


def test_secrets_are_in_nothing_that_is_shown() -> None:
    secret = "hunter2-hunter2-hunter2"  # noqa: S105 (to be hidden)
    options = {**OPTIONS, "env": {**OPTIONS["env"], "SOME_API_KEY": secret}}
    with snakepit.start(1, name="secretive", **options) as pool:
        (worker,) = pool._pool._dispatch.workers.values()
        for text in (secret, worker.process.token):
            CALLER.warning("it is %s", text)
            with snakepit.correlation("secretive"), pytest.raises(ToolError):
                pool.call("tell", text=text)
        lines_about("it is", 2)
        lines_about("", 4, "stderr")
        told = [*face.trace("secretive").spans, *face.logs(number=9999)]
        token = worker.process.token

    assert [each for each in map(str, told) if secret in each or token in each] == []
    assert sum("[hidden]" in str(each) for each in told) >= 10
