"""Cells in a real worker process of the thread profile."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from snakepit_nb.calls import (
    CellCall,
    CellError,
    CellEvent,
    CellReply,
    ClearOutput,
    CommMessage,
    Display,
    ExecuteResult,
    InputRequest,
    StreamText,
)
from snakepit_nb.channel.grpc_channel import GrpcChannel, open_grpc_channel
from snakepit_nb.identifiers import SessionId
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker
from tests.making import MESSAGE_BYTES, a_worker
from tests.waiting import until_async

from .calling import a_cell, at_once, run, text_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

AT_ONCE = 8
MEET = "from cells_meet import barrier; barrier.wait(20)\n"
"""Goes on when a cell of each session has come so far."""

WHOSE = {
    "the shell in the namespace": "print(get_ipython().user_ns['me'])",
    "the shell as modules find it": "import IPython\nprint(IPython.get_ipython().user_ns['me'])",
    "the shell in builtins": "import builtins\nprint(builtins.get_ipython().user_ns['me'])",
    "main": "import __main__\nprint(__main__.me)",
    "what main holds": "import sys\nprint(vars(sys.modules['__main__'])['me'])",
    "pickle": """
import pickle
class C: pass
c = C()
c.me = me
print(pickle.loads(pickle.dumps(c)).me)""",
    "await": "import asyncio\nawait asyncio.sleep(0)\nbarrier.wait(20)\nprint(me)",
    "a magic": "%time barrier.wait(20) and None\nprint(me)",
    "a shell command": "!echo {me}",
    "a thread": """
import threading
thread = threading.Thread(target=lambda: print(me))
thread.start()
thread.join()""",
    "a pool of threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor() as pool:
    pool.submit(print, me).result()""",
    "asyncio's threads": """
import asyncio
await asyncio.get_running_loop().run_in_executor(None, print, me)""",
    "redirected text": """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as caught:
    barrier.wait(20)
    print(me)
    barrier.wait(20)
print(caught.getvalue(), end="")""",
    "logging": """
import logging, sys
log = logging.getLogger(me)
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))
log.warning(me)""",
    "the call": "from snakepit_nb.worker import current_call\nprint(current_call().session_id)",
    "the worker's log": "import os\nos.write(1, b'not of the cell')\nprint(me)",
}
"""Code that finds out in each of many ways which session it belongs to, and prints that."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # gRPC's


@pytest.fixture(scope="module")
async def worker() -> AsyncIterator[SubprocessWorker]:
    async with open_subprocess_launcher() as launcher:
        yield await launcher.launch(a_worker(__file__, threads=AT_ONCE))


@pytest.fixture(scope="module")
async def channel(worker: SubprocessWorker) -> AsyncIterator[GrpcChannel]:
    async with open_grpc_channel(
        address=worker.announcement.address, token=worker.token, message_bytes=MESSAGE_BYTES
    ) as opened:
        yield opened


async def test_what_cells_show_at_once_is_never_mixed(channel: GrpcChannel) -> None:
    code = (
        MEET
        + """
import sys
from IPython.display import HTML, clear_output, display
for number in range(50):
    print("text of", me, number)
    display(HTML(f"{me} {number}"))
    print("error of", me, number, file=sys.stderr)
    if number % 10 == 0:
        barrier.wait(20)
clear_output(wait=True)
get_ipython().showtraceback((ValueError, ValueError(me), None))
me
"""
    )
    runs = await at_each_session(channel, code)

    for me, (events, reply) in runs.items():
        expected: list[object] = []
        for number in range(50):
            expected += [
                ("stdout", f"text of {me} {number}\n"),
                f"{me} {number}",
                ("stderr", f"error of {me} {number}\n"),
            ]
        expected += ["cleared", ("ValueError", me), ("result", repr(me))]
        assert shown(events) == expected
        assert reply.error is None


async def test_errors_and_values_of_cells_at_once_are_their_own(channel: GrpcChannel) -> None:
    await at_each_session(channel, MEET + "me * 2")
    runs = await at_each_session(channel, MEET + "before = _\nraise LookupError(me + before)")

    for me, (_, reply) in runs.items():
        assert reply.error is not None
        assert (reply.error.name, reply.error.value) == ("LookupError", me * 3)
        assert "LookupError" in "\n".join(reply.error.traceback)


@pytest.mark.parametrize("code", WHOSE.values(), ids=WHOSE)
async def test_what_a_process_has_once_each_session_seems_to_have(
    channel: GrpcChannel, code: str
) -> None:
    runs = await at_each_session(channel, MEET + code)

    for me, (events, reply) in runs.items():
        assert reply.error is None, reply.error
        text = "".join(event.text for event in events if isinstance(event, StreamText))
        assert text.replace("\r", "").endswith(f"{me}\n")
        assert not any(other in text for other in runs if other != me)


async def test_captured_output_is_that_of_its_cell(channel: GrpcChannel) -> None:
    await at_each_session(
        channel,
        "%%capture caught\n" + MEET + "print(me)\nbarrier.wait(20)\nprint(me)\ndisplay(me)\nme",
    )
    runs = await at_each_session(
        channel,
        "print(caught.stdout.split(), [each.data['text/plain'] for each in caught.outputs])",
    )

    for me, (events, _) in runs.items():
        text = "".join(event.text for event in events if isinstance(event, StreamText))
        assert text.startswith(f"['{me}', '{me}'] [")
        assert text.count(me) == 4


async def test_an_exception_in_a_thread_is_shown_by_its_cell(channel: GrpcChannel) -> None:
    code = (
        MEET + "import threading\nt = threading.Thread(target=lambda: [][me])\nt.start()\nt.join()"
    )
    runs = await at_each_session(channel, code)

    for events, _ in runs.values():
        text = "".join(event.text for event in events if isinstance(event, StreamText))
        assert text.count("TypeError: list indices") == 1


async def test_tasks_that_a_cell_leaves_go_on_on_the_sessions_thread(
    channel: GrpcChannel,
) -> None:
    first = """
import asyncio, threading
thread, loop = threading.current_thread(), asyncio.get_running_loop()
gone_on = asyncio.Event()
async def go_on():
    while not gone_on.is_set():
        await asyncio.sleep(0)
        ticks.append(1)
        if len(ticks) > 5:
            gone_on.set()
ticks = []
left = asyncio.create_task(go_on())
"""
    await run(channel, a_cell(first, "leaves"))
    second = (
        "await asyncio.wait_for(gone_on.wait(), 10)\n"
        "print(thread is threading.current_thread(), loop is asyncio.get_running_loop())"
    )

    assert await text_of(channel, a_cell(second, "leaves")) == "True True\n"


async def test_a_session_that_is_ended_takes_its_tasks_along(
    channel: GrpcChannel, tmp_path: Path
) -> None:
    note = tmp_path / "cancelled"
    code = f"""
import asyncio, pathlib
async def wait(note):
    try:
        await asyncio.Event().wait()
    finally:
        note.touch()
left = asyncio.create_task(wait(pathlib.Path({str(note)!r})))
await asyncio.sleep(0)
"""
    await run(channel, a_cell(code, "ended"))

    assert await channel.end_session(SessionId("ended")) == 1
    await until_async(note.exists)
    assert await channel.end_session(SessionId("ended")) == 0
    assert await text_of(channel, a_cell("print('left' in globals())", "ended")) == "False\n"


async def test_an_interrupt_hits_the_cell_that_awaits_and_none_beside_it(
    channel: GrpcChannel,
) -> None:
    cells = [
        a_cell("import anyio\nprint('waits')\nawait anyio.sleep_forever()", f"awaits {number}")
        for number in range(3)
    ]
    replies: list[tuple[int, CellReply]] = []
    waiting = anyio.Semaphore(0)

    async def put(event: CellEvent) -> None:
        if isinstance(event, StreamText):
            waiting.release()

    async def run_one(number: int) -> None:
        replies.append((number, await channel.run_cell(cells[number], put)))

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(run_one, number)
        for _ in cells:
            await waiting.acquire()
        for number in (1, 0, 2):
            await channel.interrupt(cells[number].call_id)
            await channel.wait_stopped(cells[number].call_id)

    assert [number for number, _ in replies] == [1, 0, 2]
    assert [reply.error and reply.error.name for _, reply in replies] == ["KeyboardInterrupt"] * 3


async def test_a_plain_cell_sees_its_interrupt_and_ends_by_itself(channel: GrpcChannel) -> None:
    code = """
from snakepit_nb.worker import current_call
import threading
print("runs")
while not current_call().cancelled:
    threading.Event().wait(0.001)
print("ends")
"""
    cell = a_cell(code, "plain")
    begun = anyio.Event()
    texts: list[str] = []
    replies: list[CellReply] = []

    async def put(event: CellEvent) -> None:
        assert isinstance(event, StreamText)
        texts.append(event.text)
        begun.set()

    async def run_it() -> None:
        replies.append(await channel.run_cell(cell, put))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_it)
        await begun.wait()
        await channel.interrupt(cell.call_id)

    assert "".join(texts) == "runs\nends\n"
    assert replies[0].error is None


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
async def test_what_is_no_exception_ends_its_cell_only(channel: GrpcChannel, error: str) -> None:
    runs = await at_each_session(channel, MEET + f"if me == 's0': raise {error}")

    errors = [reply.error and reply.error.name for _, reply in runs.values()]
    assert errors == [error] + [None] * (AT_ONCE - 1)


async def test_figures_come_out_of_the_cell_that_draws_them(channel: GrpcChannel) -> None:
    pytest.importorskip("matplotlib")
    await run(channel, a_cell("import matplotlib.pyplot"))
    code = (
        "import matplotlib.pyplot as plt\n" + MEET + "figure = plt.figure(me)\n"
        "barrier.wait(20)\n_ = plt.plot([1, 2])\nassert plt.gcf() is figure\n_ = barrier.wait(20)"
    )
    for _ in range(2):
        runs = await at_each_session(channel, code)

        for events, reply in runs.values():
            assert reply.error is None, reply.error
            assert [type(event) for event in events] == [Display]
            assert isinstance(events[0], Display)
            assert "image/png" in events[0].data


async def at_each_session(
    channel: GrpcChannel, code: str
) -> dict[str, tuple[list[CellEvent], CellReply]]:
    """Runs the code in eight sessions at once; in each, `me` is a name of its own."""
    prepare = (
        "import sys, threading, types\n"
        f"meeting = types.SimpleNamespace(barrier=threading.Barrier({AT_ONCE}))\n"
        "sys.modules['cells_meet'] = meeting"
    )
    await run(channel, a_cell(prepare))
    names = [f"s{number}" for number in range(AT_ONCE)]
    await at_once(partial(run, channel, a_cell(f"me = {me!r}", me)) for me in names)
    cells: list[CellCall] = [a_cell(code, me) for me in names]
    return dict(
        zip(names, await at_once(partial(run, channel, cell) for cell in cells), strict=True)
    )


def shown(events: list[CellEvent]) -> list[object]:
    """Puts in short what a cell showed, with each line of its text by itself."""
    short: list[object] = []
    for event in events:
        match event:
            case StreamText():
                lines = event.text.splitlines(keepends=True)
                short += [(event.name, line) for line in lines]
            case Display():
                short.append(event.data["text/html"])
            case ExecuteResult():
                short.append(("result", event.data["text/plain"]))
            case ClearOutput():
                short.append("cleared")
            case CellError():
                short.append((event.name, event.value))
            case InputRequest() | CommMessage():
                raise AssertionError(event)
    return short
