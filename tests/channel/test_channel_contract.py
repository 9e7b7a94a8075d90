"""Every promise of WorkerChannel, over gRPC to a real worker and over its twin."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anyio
import pytest

from snakepit_nb.calls import (
    CellCall,
    CellEvent,
    CellReply,
    CodePosition,
    CommDelivery,
    CommMessage,
    Completion,
    InputReply,
    InputRequest,
    LateOutput,
    StreamText,
    ToolCall,
)
from snakepit_nb.channel.channel import EventTap, WorkerChannel
from snakepit_nb.channel.grpc_channel import open_grpc_channel
from snakepit_nb.errors import (
    SnakepitError,
    ToolError,
    UnsendableResultError,
    UsageError,
    ValueEncodingError,
    WorkerCrashedError,
)
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.testing import open_direct_channel, open_in_process_launcher
from tests import making
from tests.making import a_call, a_worker, numbers
from tests.waiting import until_async

TOOLS = "contract_tools:ContractTools"
MESSAGE_BYTES = 64 * 1024 * 1024
MANY = 100
End = tuple[WorkerProcess, WorkerChannel]
OpenEnd = Callable[[], Any]
Kind = tuple[str, str, int, bool]
"""The channel, the backend, how many threads the worker has, whether all calls are of one cell."""


@pytest.fixture(
    params=[
        pytest.param(("grpc", "asyncio", 1, False), marks=pytest.mark.process, id="grpc"),
        pytest.param(("grpc", "asyncio", 4, False), marks=pytest.mark.process, id="grpc-threads"),
        pytest.param(("grpc", "asyncio", 1, True), marks=pytest.mark.process, id="grpc-cell"),
        pytest.param(
            ("grpc", "asyncio", 4, True), marks=pytest.mark.process, id="grpc-threads-cell"
        ),
        pytest.param(("direct", "asyncio", 1, False), id="direct-asyncio"),
        pytest.param(("direct", "asyncio", 4, False), id="direct-asyncio-threads"),
        pytest.param(("direct", "trio", 1, False), id="direct-trio"),
        pytest.param(("direct", "trio", 4, False), id="direct-trio-threads"),
    ],
    scope="module",
)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    if chosen[1] == "trio":
        pytest.importorskip("trio")
    return chosen


@pytest.fixture(scope="module")
def anyio_backend(kind: Kind) -> str:
    return kind[1]


@pytest.fixture(autouse=True)
def _calls_are_of_one_cell(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind[3]:
        monkeypatch.setattr(making, "shared_id", CorrelationId("sp-cell"))


@pytest.fixture(scope="module")
async def open_end(kind: Kind) -> AsyncIterator[OpenEnd]:
    async with AsyncExitStack() as opened:
        if kind[0] == "grpc":
            launcher: Any = await opened.enter_async_context(open_subprocess_launcher())
        else:
            launcher = await opened.enter_async_context(open_in_process_launcher())

        @asynccontextmanager
        async def open_one() -> AsyncIterator[End]:
            process = await launcher.launch(
                a_worker(__file__, TOOLS, threads=kind[2], message_bytes=MESSAGE_BYTES)
            )
            way = open_direct_channel(process) if kind[0] == "direct" else open_line(process)
            async with way as channel:
                yield process, channel
            await process.kill()

        yield open_one


@pytest.fixture(scope="module")
async def channel(open_end: OpenEnd) -> AsyncIterator[WorkerChannel]:
    async with open_end() as (_, opened):
        yield opened


async def test_the_tools_are_told_with_their_parameters(channel: WorkerChannel) -> None:
    tools = {tool.name: tool for tool in await channel.tools()}

    assert list(tools) == sorted(tools)
    assert tools["echo"].description == "Returns what it was given."
    left, right = tools["add"].parameters
    assert (left.name, left.type_name, left.required) == ("left", "int", True)
    assert (right.required, right.default) == (False, 1)
    assert not tools["add"].supports_streaming
    assert tools["count"].supports_streaming
    assert tools["count_slowly"].supports_streaming


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        1.5,
        float("inf"),
        True,
        "süß",
        b"\0bytes",
        b"",
        (1, "two"),
        {1: {2, 3}},
        datetime(2026, 11, 23, tzinfo=UTC),
        [{"nested": [b"x"]}],
    ],
    ids=repr,
)
async def test_values_come_back_with_their_types(channel: WorkerChannel, value: object) -> None:
    result = await channel.call(a_call("echo", value=value))

    assert result.value == value
    assert type(result.value) is type(value)


@pytest.mark.parametrize(
    ("name", "kind_of_error"), [("ValueError", ValueError), ("LookupError", LookupError)]
)
async def test_what_a_tool_raises_is_of_the_same_builtin_type(
    channel: WorkerChannel, name: str, kind_of_error: type[Exception]
) -> None:
    with pytest.raises(kind_of_error, match="of its own doing") as caught:
        await channel.call(a_call("fail", with_name=name))

    assert isinstance(caught.value, ToolError)
    assert caught.value.remote_type == name
    assert 'raise {"ValueError"' in caught.value.remote_traceback
    assert "tool_host.py" not in caught.value.remote_traceback
    assert (caught.value.correlation_id or "").startswith("sp-")


async def test_an_error_of_the_users_own_class_keeps_its_name(channel: WorkerChannel) -> None:
    with pytest.raises(ToolError) as caught:
        await channel.call(a_call("fail", with_name="Own"))

    assert caught.value.remote_type.endswith("OwnError")


async def test_a_tool_that_exits_fails_and_its_worker_lives(channel: WorkerChannel) -> None:
    with pytest.raises(ToolError) as caught:
        await channel.call(a_call("leave"))

    assert caught.value.remote_type == "SystemExit"
    assert (await channel.call(a_call("add", left=1))).value == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("ecko", {}, "There is no tool 'ecko': did you mean 'echo'?"),
        ("add", {}, "tool 'add' needs the parameter 'left' (int)."),
        ("add", {"left": "1"}, "tool 'add', parameter 'left': a value of type str is not int."),
        ("add", {"left": 1, "rihgt": 2}, "tool 'add' has no parameter 'rihgt': did you mean"),
        ("count", {"to": 1}, "tool 'count' streams: use `stream` in place of `call`."),
    ],
)
async def test_a_call_that_does_not_fit_is_the_users_fault(
    channel: WorkerChannel, tool: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        await channel.call(a_call(tool, **arguments))

    assert caught.value.message.startswith(words)


async def test_a_plain_tool_does_not_stream(channel: WorkerChannel) -> None:
    with pytest.raises(UsageError, match="does not stream"):
        await items(channel, a_call("add", left=1))


async def test_a_parameter_that_does_not_travel_is_named(channel: WorkerChannel) -> None:
    with pytest.raises(ValueEncodingError, match=r"tool 'echo', parameter 'value': .*function"):
        await channel.call(a_call("echo", value=lambda: None))


async def test_a_result_that_does_not_travel_is_told(channel: WorkerChannel) -> None:
    with pytest.raises(UnsendableResultError, match=r"tool 'unsendable': its result: .*function"):
        await channel.call(a_call("unsendable"))
    with pytest.raises(UnsendableResultError, match="tool 'stream_unsendable': its result"):
        await items(channel, a_call("stream_unsendable"))


async def test_a_tool_sees_its_ids_session_and_metadata(channel: WorkerChannel) -> None:
    calls = [
        ToolCall(
            call_id=CallId(f"of-ids-{number}"),
            correlation_id=CorrelationId(f"sp-{number:024x}"),
            tool_name="ids",
            session_id=SessionId(f"s{number}") if number else None,
            metadata={"mine": str(number)},
        )
        for number in range(2)
    ]
    seen: list[dict[str, object]] = []

    async def call(one: ToolCall) -> None:
        seen.append((await channel.call(one)).value)

    async with anyio.create_task_group() as tasks:
        for one in calls:
            tasks.start_soon(call, one)

    seen.sort(key=lambda each: str(each["call"]))
    assert seen == [
        {
            "call": one.call_id,
            "correlation": one.correlation_id,
            "session": one.session_id,
            "mine": one.metadata["mine"],
        }
        for one in calls
    ]


async def test_a_stream_keeps_its_order_and_ends_with_an_empty_chunk(
    channel: WorkerChannel,
) -> None:
    async with aclosing(channel.stream(a_call("count", to=300))) as stream:
        chunks = [chunk async for chunk in stream]

    assert [chunk.data for chunk in chunks[:-1]] == [{"number": number} for number in range(300)]
    assert [chunk.number for chunk in chunks] == list(range(1, 302))
    assert (chunks[-1].is_final, chunks[-1].data) == (True, None)
    assert not any(chunk.is_final for chunk in chunks[:-1])


async def test_an_async_generator_streams_too(channel: WorkerChannel) -> None:
    assert await items(channel, a_call("count_slowly", to=3)) == [0, 1, 2]


async def test_a_stream_that_fails_in_the_middle_gives_what_it_had(
    channel: WorkerChannel,
) -> None:
    async with aclosing(channel.stream(a_call("count_then_fail"))) as stream:
        assert (await anext(stream)).data == 1
        with pytest.raises(ValueError, match="in the middle"):
            await anext(stream)


async def test_closing_a_stream_early_stops_its_generator(
    channel: WorkerChannel, tmp_path: Path
) -> None:
    note = tmp_path / "stream"
    call = a_call("count_for_ever", note=str(note))
    async with aclosing(channel.stream(call)) as stream:
        async for chunk in stream:
            if chunk.data == 3:
                break

    await channel.wait_stopped(call.call_id)
    assert note.with_suffix(".stopped").exists()


async def test_streams_may_be_closed_at_any_moment(channel: WorkerChannel, tmp_path: Path) -> None:
    for last in range(60):
        call = a_call("count_for_ever", note=str(tmp_path / "stream"))
        async with aclosing(channel.stream(call)) as stream:
            async for chunk in stream:
                if chunk.data == last:
                    break
        with anyio.fail_after(5):
            await channel.wait_stopped(call.call_id)


async def test_cancelling_a_call_stops_its_tool(channel: WorkerChannel, tmp_path: Path) -> None:
    note = tmp_path / "call"
    call = a_call("wait_for_ever", note=str(note))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.call, call)
        await until_async(note.with_suffix(".begun").exists)
        tasks.cancel_scope.cancel()

    await channel.wait_stopped(call.call_id)
    assert note.with_suffix(".stopped").exists()
    assert (await channel.call(a_call("add", left=1))).value == 2


async def test_a_call_that_is_cancelled_at_once_holds_nobody_up(channel: WorkerChannel) -> None:
    for _ in range(20):
        call = a_call("wait_for_ever", note="/nowhere/at/all")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await channel.call(call)
        await channel.wait_stopped(call.call_id)

    assert (await channel.call(a_call("add", left=1))).value == 2


async def test_a_call_that_is_cancelled_sees_it(channel: WorkerChannel, tmp_path: Path) -> None:
    note = tmp_path / "sees"
    call = a_call("wait_for_ever", note=str(note))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.call, call)
        await until_async(note.with_suffix(".begun").exists)
        tasks.cancel_scope.cancel()

    await channel.wait_stopped(call.call_id)
    assert note.with_suffix(".cancelled").exists()
    assert await items(channel, a_call("count_slowly", to=1)) == [0]


async def test_calls_that_begin_together_get_each_its_own_answer(channel: WorkerChannel) -> None:
    outcomes: dict[int, object] = {}

    async def call(number: int, call: ToolCall) -> None:
        try:
            outcomes[number] = (await channel.call(call)).value
        except SnakepitError as error:
            outcomes[number] = error

    calls = [a_call("add", left=number) for number in range(MANY)]
    calls[10] = a_call("fail", with_name="LookupError")
    calls[20] = a_call("unsendable")
    calls[30] = a_call("add", right=1)
    calls[40] = a_call("ids")
    calls[50] = a_call("fail_without_words")
    async with anyio.create_task_group() as tasks:
        for number, one in enumerate(calls):
            tasks.start_soon(call, number, one)

    assert isinstance(outcomes.pop(10), LookupError)
    assert isinstance(outcomes.pop(20), UnsendableResultError)
    assert isinstance(outcomes.pop(30), UsageError)
    unspeakable = outcomes.pop(50)
    assert isinstance(unspeakable, ToolError)
    assert unspeakable.message == "<exception str() failed>"
    ids: Any = outcomes.pop(40)
    assert (ids["call"], ids["correlation"]) == (calls[40].call_id, calls[40].correlation_id)
    assert outcomes == {n: n + 1 for n in range(MANY) if n not in (10, 20, 30, 40, 50)}


async def test_of_calls_that_begin_together_one_is_cancelled_alone(
    channel: WorkerChannel, tmp_path: Path
) -> None:
    note = tmp_path / "one"
    one = a_call("wait_for_ever", note=str(note))
    values: list[int] = []

    async def call(number: int) -> None:
        values.append((await channel.call(a_call("add", left=number))).value)

    async with anyio.create_task_group() as tasks:
        for number in range(9):
            tasks.start_soon(call, number)
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(channel.call, one)
            for number in range(9, 20):
                tasks.start_soon(call, number)
            await until_async(note.with_suffix(".begun").exists)
            cancelled.cancel_scope.cancel()

    await channel.wait_stopped(one.call_id)
    assert note.with_suffix(".stopped").exists()
    assert sorted(values) == list(range(1, 21))


async def test_a_worker_runs_as_many_calls_at_once_as_it_has_threads(
    open_end: OpenEnd, kind: Kind, tmp_path: Path
) -> None:
    notes = [tmp_path / str(number) for number in range(kind[2])]
    async with open_end() as (process, channel), anyio.create_task_group() as tasks:
        assert process.announcement.capacity == kind[2]
        for note in (*notes, tmp_path / "late"):
            tasks.start_soon(channel.call, a_call("wait_for_ever", note=str(note)))
            if note in notes:
                await until_async(note.with_suffix(".begun").exists)
        await channel.tools()
        assert not (tmp_path / "late.begun").exists()
        tasks.cancel_scope.cancel()


async def test_cells_of_a_session_wait_for_each_other(channel: WorkerChannel) -> None:
    await run(channel, a_cell("import anyio.lowlevel\nsteps = []", session="waits"))
    step = "for _ in range(3):\n    steps.append({0})\n    await anyio.lowlevel.checkpoint()"

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(run, channel, a_cell(step.format(number), session="waits"))
    _, reply = await run(channel, a_cell("pass", session="waits", returns=("steps",)))

    steps: Any = reply.returns["steps"]
    assert sorted(steps[::3]) == list(range(10))
    assert [steps[n : n + 3] for n in range(0, 30, 3)] == [[first] * 3 for first in steps[::3]]


async def test_wait_stopped_returns_at_once_for_a_call_that_is_over(
    channel: WorkerChannel,
) -> None:
    call = a_call("add", left=1)
    await channel.call(call)

    await channel.wait_stopped(call.call_id)
    await channel.wait_stopped(CallId("never heard of"))


async def test_a_cell_prints_in_order_and_replies(channel: WorkerChannel) -> None:
    code = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')"
    events, reply = await run(channel, a_cell(code, execution_count=4))

    assert together(events) == [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]
    assert (reply.error, reply.execution_count) == (None, 4)


async def test_a_session_keeps_its_variables_and_a_cell_without_one_does_not(
    channel: WorkerChannel,
) -> None:
    await run(channel, a_cell("x = 1", session="keeps"))
    events, _ = await run(channel, a_cell("print(x)", session="keeps"))
    _, of_other = await run(channel, a_cell("x", session="other"))
    await run(channel, a_cell("y = 1"))
    _, of_none = await run(channel, a_cell("y"))

    assert together(events) == [("stdout", "1\n")]
    assert [reply.error and reply.error.name for reply in (of_other, of_none)] == ["NameError"] * 2


async def test_variables_go_in_and_come_back(channel: WorkerChannel) -> None:
    _, reply = await run(
        channel,
        a_cell(
            "b = a + (4,)\nc = lambda: None\nd = f(2)",
            session="variables",
            inputs={"a": (1, 2), "f": lambda number: number * 21},
            returns=("b", "c", "d", "missing"),
        ),
    )

    assert reply.error is None
    assert reply.returns == {"b": (1, 2, 4), "d": 42}
    assert "function" in reply.unsent["c"]
    assert reply.unsent["missing"] == "the session has no variable of this name"


async def test_a_reply_names_the_variables_that_the_session_has(channel: WorkerChannel) -> None:
    _, reply = await run(
        channel, a_cell("import os\nb = 1\n_hidden = 2\ndef a(): pass", session="names")
    )
    many = a_cell("for n in range(200): globals()[f'v{n:03}'] = n\n1 / 0", session="names")
    _, of_failed = await run(channel, many)
    _, of_none = await run(channel, a_cell("b = 1"))

    assert reply.names == ("a", "b", "os")
    assert of_failed.names == ("a", "b", "n", "os", *(f"v{number:03}" for number in range(96)))
    assert of_none.names == ()


async def test_a_variable_that_cannot_go_in_is_named(channel: WorkerChannel) -> None:
    with pytest.raises(ValueEncodingError, match="variable 'a' of type generator cannot be sent"):
        await run(channel, a_cell("pass", inputs={"a": iter_nothing()}))


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("print('before')\n1 / 0", "ZeroDivisionError", "division by zero"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    ],
)
async def test_what_a_cell_raises_is_in_its_reply(
    channel: WorkerChannel, code: str, name: str, value: str
) -> None:
    _, reply = await run(channel, a_cell(code))

    assert reply.error is not None
    assert (reply.error.name, reply.error.value) == (name, value)
    assert name in "\n".join(reply.error.traceback)


async def test_a_cell_awaits(channel: WorkerChannel) -> None:
    code = "import anyio\nawait anyio.lowlevel.checkpoint()\nprint('awaited')"
    events, reply = await run(channel, a_cell(code))

    assert (together(events), reply.error) == ([("stdout", "awaited\n")], None)


async def test_code_is_completed_and_names_are_told_by_their_session(
    channel: WorkerChannel,
) -> None:
    await run(channel, a_cell("width_of_mine = 7", session="asked"))
    asked = SessionId("asked")
    found = await channel.complete(CodePosition(session_id=asked, code="width_o", cursor=7))
    meaning = await channel.inspect(CodePosition(session_id=asked, code="width_of_mine", cursor=13))

    assert Completion(start=0, end=7, text="width_of_mine") in [
        replace(each, type="") for each in found
    ]
    assert meaning is not None
    assert "7" in meaning["text/plain"]


async def test_of_a_session_that_it_does_not_know_a_worker_tells_nothing(
    channel: WorkerChannel,
) -> None:
    unknown = CodePosition(session_id=SessionId("unknown"), code="width_o", cursor=7)

    assert await channel.complete(unknown) == ()
    assert await channel.inspect(unknown) is None


async def test_where_nobody_can_answer_a_cell_that_asks_fails(channel: WorkerChannel) -> None:
    _, reply = await run(channel, a_cell("input('? ')"))

    assert reply.error is not None
    assert reply.error.name == "StdinNotImplementedError"
    assert reply.error.value == (
        "raw_input was called, but this frontend does not support input requests."
    )


async def test_a_cell_gets_what_it_asks_for(channel: WorkerChannel, kind: Kind) -> None:
    if kind[0] == "direct":
        pytest.skip("a cell of the twin cannot wait for an answer")
    cell = a_cell("print('before')\nprint(input('? '), input())", allow_stdin=True)
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)
        if isinstance(event, InputRequest):
            said = f"{event.prompt}{event.number}"
            await channel.reply_input(cell.call_id, InputReply(number=event.number, text=said))

    reply = await channel.run_cell(cell, put)

    assert reply.error is None
    assert events == [
        StreamText(name="stdout", text="before\n"),
        InputRequest(prompt="? ", number=0),
        InputRequest(prompt="", number=1),
        StreamText(name="stdout", text="? 0 1\n"),
    ]


@pytest.mark.parametrize("number", [0, 7])
async def test_an_answer_that_nobody_waits_for_does_nothing(
    channel: WorkerChannel, number: int
) -> None:
    cell = a_cell("pass")
    await run(channel, cell)

    await channel.reply_input(cell.call_id, InputReply(number=number, text="late"))
    events, reply = await run(channel, a_cell("print('unharmed')"))

    assert (together(events), reply.error) == ([("stdout", "unharmed\n")], None)


async def test_a_message_for_a_comm_that_is_not_there_comes_to_nothing(
    channel: WorkerChannel,
) -> None:
    await run(channel, a_cell("pass"))
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)

    for kind in ("comm_msg", "comm_close", "comm_open"):
        message = CommMessage(kind=kind, comm_id="nobody's", target_name="none")
        with anyio.fail_after(5):
            await channel.send_comm(a_delivery(message), put)

    assert events == []


async def test_a_comm_speaks_in_its_cell_in_what_it_calls_back_and_beside(
    channel: WorkerChannel, kind: Kind
) -> None:
    if kind[0] == "direct":
        pytest.skip("the twin has no comms")
    code = (
        "import threading; from comm import create_comm\n"
        "c = create_comm(target_name='t', data={'a': 1}, buffers=[b'ab'])\n"
        "c.on_msg(lambda m: (print('heard'), c.send(m['content']['data'], buffers=m['buffers'])))\n"
        "go = threading.Event()\n"
        "threading.Thread(target=lambda: (go.wait(), c.send({'beside': 1}))).start()"
    )
    (opened,), _ = await run(channel, a_cell(code, session="comms"))
    assert isinstance(opened, CommMessage)
    said = CommMessage(
        kind="comm_msg", comm_id=opened.comm_id, data=b'{"x": [1]}', buffers=(b"\x00", b"")
    )
    heard: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        heard.append(event)

    await channel.send_comm(a_delivery(said), put)
    async with aclosing(channel.beside()) as all_beside:
        with anyio.fail_after(5):
            waker = a_cell("import time; threading.Timer(0.1, go.set).start()", session="comms")
            await run(channel, waker)
            beside = await anext(all_beside)

    assert isinstance(beside, CommMessage)
    assert (opened.kind, opened.data, opened.buffers) == ("comm_open", b'{"a": 1}', (b"ab",))
    assert heard == [
        StreamText(name="stdout", text="heard\n"),
        replace(said, number=1),
    ]
    assert (beside.data, beside.number) == (b'{"beside": 1}', 2)


async def test_what_a_cell_has_left_shows_in_it_when_it_has_ended(
    channel: WorkerChannel, kind: Kind
) -> None:
    if kind[0] == "direct":
        pytest.skip("the twin's cells leave nothing")
    parent = b'{"header": {"msg_id": "asked"}}'
    code = (
        "import asyncio, sys\n"
        "go = asyncio.Event()\n"
        "async def later():\n"
        "    await go.wait()\n"
        "    sys.stdout.write('late')\n"
        "task = asyncio.create_task(later())"
    )
    await run(channel, a_cell(code, session="late", parent=parent))
    await channel.call(a_call("say", text="for the log"))
    async with aclosing(channel.beside()) as all_beside:
        await run(channel, a_cell("go.set()", session="late"))
        with anyio.fail_after(5):
            said = await anext(all_beside)

    assert said == LateOutput(parent=parent, event=StreamText(name="stdout", text="late"))


async def test_a_crash_ends_what_comms_say(open_end: OpenEnd) -> None:
    async with open_end() as (process, channel):
        errors: list[SnakepitError] = []

        async def listen() -> None:
            try:
                async with aclosing(channel.beside()) as said:
                    async for _ in said:
                        pass
            except SnakepitError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await run(channel, a_cell("pass"))
            await process.kill()

        assert [type(error) for error in errors] == [WorkerCrashedError]
        with pytest.raises(WorkerCrashedError):
            await channel.send_comm(a_delivery(CommMessage(kind="comm_msg")), put_nowhere)


async def test_an_interrupted_cell_replies_and_its_session_lives(channel: WorkerChannel) -> None:
    cell = a_cell(
        "import anyio\nz = 1\nprint('waits')\nawait anyio.sleep_forever()", session="interrupted"
    )
    replies: list[CellReply] = []
    waits = anyio.Event()

    async def put(event: CellEvent) -> None:
        if isinstance(event, StreamText):
            waits.set()

    async def run_it() -> None:
        replies.append(await channel.run_cell(cell, put))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_it)
        await waits.wait()
        await channel.interrupt(cell.call_id)
    events, _ = await run(channel, a_cell("print(z)", session="interrupted"))

    assert replies[0].error is not None
    assert replies[0].error.name == "KeyboardInterrupt"
    assert together(events) == [("stdout", "1\n")]


async def test_an_interrupt_of_a_cell_that_is_over_does_nothing(channel: WorkerChannel) -> None:
    cell = a_cell("pass")
    await run(channel, cell)

    await channel.interrupt(cell.call_id)
    events, reply = await run(channel, a_cell("print('unharmed')"))

    assert (together(events), reply.error) == ([("stdout", "unharmed\n")], None)


async def test_a_session_that_is_ended_is_freed_once(channel: WorkerChannel) -> None:
    await run(channel, a_cell("x = 1", session="ended"))

    assert await channel.end_session(SessionId("ended")) == 1
    assert await channel.end_session(SessionId("ended")) == 0
    _, reply = await run(channel, a_cell("x", session="ended"))
    assert reply.error is not None


async def test_a_worker_tells_what_it_has_kept_and_then_what_comes(open_end: OpenEnd) -> None:
    async with open_end() as (_, channel):
        kept = a_call("add", left=1)
        await channel.call(kept)
        async with channel.events() as tap:
            await tap.control(EventControl(allow=("tool.*", "of.*")))
            before = [await told(tap, "tool.execution.*") for _ in range(2)]
            await items(channel, a_call("count", to=3))
            with pytest.raises(ValueError, match="of its own"):
                await channel.call(a_call("fail", with_name="ValueError"))
            await channel.call(a_call("tell", name="of.its.own"))
            after = [await told(tap, "*.*") for _ in range(7)]

    start, stop = before
    assert (start.name, stop.name) == ("tool.execution.start", "tool.execution.stop")
    assert start.metadata == stop.metadata == {"tool": "add", "session_id": ""}
    assert start.correlation_id == stop.correlation_id == kept.correlation_id
    assert stop.measurements["duration"] == pytest.approx(stop.at - start.at, abs=50_000_000)
    assert [(event.name.rpartition(".")[2], event.metadata.get("tool")) for event in after] == [
        ("start", "count"),
        ("stop", "count"),
        ("start", "fail"),
        ("exception", "fail"),
        ("start", "tell"),
        ("own", None),
        ("stop", "tell"),
    ]
    assert after[3].metadata["error_type"] == "ValueError"
    assert (after[5].measurements, after[5].metadata) == ({"rows": 3}, {"table": "t"})
    assert after[5].correlation_id == after[4].correlation_id


async def test_what_a_worker_tells_is_controlled_while_it_tells(open_end: OpenEnd) -> None:
    async with open_end() as (_, channel), channel.events() as tap:
        names: list[str] = []
        for control, name in (
            (EventControl(allow=("all.*",)), "all.of.it"),
            (EventControl(enabled=False), "none.of.it"),
            (EventControl(deny=("tool.*",), sampling=0.0, sampled=("rare.*",)), "rare.one"),
            (EventControl(deny=("tool.*",)), "all.again"),
        ):
            await tap.control(control)
            await channel.tools()  # a round trip
            await channel.call(a_call("tell", name=name))
            if name.startswith("all."):
                names.append((await told(tap, "*")).name)

    assert names == ["all.of.it", "all.again"]


async def test_a_crash_ends_what_is_told(open_end: OpenEnd) -> None:
    async with open_end() as (process, channel), channel.events() as tap:
        await channel.call(a_call("tell", name="the.last"))
        await told(tap, "the.last")
        await process.kill()
        with pytest.raises(WorkerCrashedError):
            await read_all(tap)
        with pytest.raises(WorkerCrashedError):
            await tap.control(EventControl())


async def test_who_attaches_later_ends_who_came_before(open_end: OpenEnd) -> None:
    async with open_end() as (_, channel), channel.events() as first:
        await first.control(EventControl(allow=("of.*",)))
        await channel.call(a_call("tell", name="of.first"))
        assert (await told(first, "of.*")).name == "of.first"
        async with channel.events() as second:
            await read_all(first)
            await channel.call(a_call("tell", name="of.second"))
            assert (await told(second, "of.*")).name == "of.second"


async def test_a_crash_is_told_to_whoever_waits_and_to_all_that_come(
    open_end: OpenEnd, tmp_path: Path
) -> None:
    note = tmp_path / "crash"
    errors: list[SnakepitError] = []
    async with open_end() as (process, channel):

        async def call() -> None:
            with pytest.raises(WorkerCrashedError) as caught:
                await channel.call(a_call("wait_for_ever", note=str(note)))
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(call)
            await until_async(note.with_suffix(".begun").exists)
            await process.kill()

        for attempt in (
            channel.tools,
            lambda: channel.call(a_call("add", left=1)),
            lambda: items(channel, a_call("count", to=1)),
            lambda: run(channel, a_cell("pass")),
            lambda: channel.wait_stopped(CallId("any")),
            lambda: channel.end_session(SessionId("any")),
        ):
            with pytest.raises(WorkerCrashedError):
                await attempt()
    assert len(errors) == 20


async def test_a_crash_ends_a_stream(open_end: OpenEnd) -> None:
    async with (
        open_end() as (process, channel),
        aclosing(channel.stream(a_call("count_then_wait"))) as stream,
    ):
        assert (await anext(stream)).data == 1
        await process.kill()
        with pytest.raises(WorkerCrashedError):
            await anext(stream)


async def test_a_crash_ends_a_cell(open_end: OpenEnd) -> None:
    async with open_end() as (process, channel):

        async def put(_: CellEvent) -> None:
            await process.kill()

        endless = a_cell("import anyio\nprint(1)\nawait anyio.sleep_forever()")
        with pytest.raises(WorkerCrashedError):
            await channel.run_cell(endless, put)


async def test_a_way_that_is_closed_when_its_worker_has_ended_tells_a_crash(
    open_end: OpenEnd, tmp_path: Path
) -> None:
    note = tmp_path / "closed"
    errors: list[SnakepitError] = []

    async def call(channel: WorkerChannel, code: str) -> None:
        endless = a_cell(f"import anyio\n{code}\nawait anyio.sleep_forever()")
        with pytest.raises(WorkerCrashedError) as caught:
            await channel.run_cell(endless, put_nowhere)
        errors.append(caught.value)
        with pytest.raises(WorkerCrashedError):
            await channel.wait_stopped(CallId("any"))

    async with anyio.create_task_group() as tasks, open_end() as (process, channel):
        tasks.start_soon(call, channel, f"open({str(note)!r}, 'w').close()")
        await until_async(note.exists)
        await process.kill()

    assert len(errors) == 1


def open_line(process: WorkerProcess) -> AbstractAsyncContextManager[WorkerChannel]:
    return open_grpc_channel(
        address=process.announcement.address,
        token=process.token,
        message_bytes=MESSAGE_BYTES,
        buffers=process.buffers,
    )


def a_cell(code: str, *, session: str = "", **details: Any) -> CellCall:  # noqa: ANN401
    number = next(numbers)
    return CellCall(
        call_id=CallId(f"cell-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        session_id=SessionId(session) if session else None,
        code=code,
        **details,
    )


def a_delivery(message: CommMessage) -> CommDelivery:
    number = next(numbers)
    return CommDelivery(
        call_id=CallId(f"comm-{number}"),
        correlation_id=CorrelationId(f"sp-{number:024x}"),
        message=message,
    )


async def run(channel: WorkerChannel, cell: CellCall) -> tuple[list[CellEvent], CellReply]:
    events: list[CellEvent] = []

    async def put(event: CellEvent) -> None:
        events.append(event)

    return events, await channel.run_cell(cell, put)


async def items(channel: WorkerChannel, call: ToolCall) -> list[object]:
    async with aclosing(channel.stream(call)) as stream:
        return [chunk.data async for chunk in stream if not chunk.is_final]


def iter_nothing() -> Iterator[None]:
    yield


def together(events: list[CellEvent]) -> list[tuple[str, str]]:
    """Joins text with the text of the same stream that follows it."""
    joined: list[tuple[str, str]] = []
    for event in events:
        assert isinstance(event, StreamText)
        if joined and joined[-1][0] == event.name:
            joined[-1] = (event.name, joined[-1][1] + event.text)
        else:
            joined.append((event.name, event.text))
    return joined


async def put_nowhere(_: CellEvent) -> None:
    """Takes what a cell puts out."""


async def told(tap: EventTap, pattern: str) -> ToldEvent:
    """Returns the next event of a name, whatever comes before it."""
    with anyio.fail_after(5):
        while True:
            event = await tap.read()
            assert event is not None
            if fnmatchcase(event.name, pattern) and not event.name.startswith("python."):
                return event


async def read_all(tap: EventTap) -> None:
    with anyio.fail_after(5):
        while await tap.read() is not None:
            pass
