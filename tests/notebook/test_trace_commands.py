import threading
from dataclasses import dataclass, replace

import pytest

from snakepit_nb.blocking import face
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CorrelationId, WorkerId
from snakepit_nb.notebook.subcommand import Surroundings
from snakepit_nb.notebook.subcommands import run_line
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, LogEntry, Part
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.telemetry import log_ring
from snakepit_nb.telemetry.cell_traces import CellTraces
from snakepit_nb.telemetry.correlation import requests
from snakepit_nb.telemetry.log_ring import LogRing
from snakepit_nb.telemetry.traces import Traces

from .making_snapshots import a_pool, a_worker
from .making_traces import ID, call, part_of, span

OTHER_ID = "sp-00aa11bb22cc33dd44ee55ff"


@pytest.fixture(autouse=True)
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    kept = Traces()
    monkeypatch.setattr(face, "traces", kept)
    return kept


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> LogRing:
    kept = LogRing()
    monkeypatch.setattr(log_ring, "logs", kept)
    return kept


def run(line: str) -> str:
    return repr(run_line(line, Surroundings(namespace={})))


def line_of(worker: str, message: str, *, level: int = 20, correlation_id: str = "") -> LogEntry:
    return LogEntry(
        at=1,
        level=level,
        logger="training",
        message=message,
        correlation_id=correlation_id,
        worker_id=worker,
    )


@dataclass(frozen=True)
class PoolOf:
    """Of a pool, what a look at its workers needs."""

    worker_id: WorkerId

    def status(self) -> PoolSnapshot:
        return a_pool(a_worker(self.worker_id))


@pytest.mark.parametrize("line", ["trace", "trace last", f"trace {ID}", f"trace {0xABC:032x}"])
def test_a_trace_is_asked_for_by_its_ids_or_as_the_last(traces: Traces, line: str) -> None:
    for each in call("embed", None, 0):
        traces.add(part_of(each))

    assert f"15.0 ms · 1 call · {ID}" in run(line)


def test_a_trace_waits_for_what_its_worker_has_not_told_yet(traces: Traces) -> None:
    *of_kernel, served, tool = call("embed", None, 0)
    for each in of_kernel:
        traces.add(part_of(each))
    shown: list[str] = []
    asking = threading.Thread(target=lambda: shown.append(run("trace")))
    asking.start()

    for each in (tool, served):
        traces.add(part_of(each))

    asking.join(5)
    assert "tool embed" in shown[0]


def test_the_last_trace_is_not_of_the_cell_that_asks_for_it(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = CellTraces()
    cells.sink = traces.add
    monkeypatch.setattr(requests, "request_key", lambda: "request 1")
    cells.begin("cell [1]")
    cells.around(CorrelationId("sp-first"))
    cells.end(None)
    monkeypatch.setattr(requests, "request_key", lambda: "request 2")
    cells.begin("cell [2]")

    shown = run("trace last")

    assert "cell [1]" in shown
    assert "sp-first" in shown
    cells.end(None)
    assert run("trace last") == shown


def test_an_unknown_trace_is_told_the_nearest(traces: Traces) -> None:
    for trace_id, correlation_id in ((1, OTHER_ID), (2, ID)):
        attributes = {CORRELATION_ATTRIBUTE: correlation_id}
        begun = span(Part.CALL, "call", (0, 1), attributes=attributes)
        traces.add(part_of(replace(begun, trace_id=trace_id)))

    with pytest.raises(UsageError, match=f"no trace 'sp-6f1': there is '{ID}'"):
        run("trace sp-6f1")
    with pytest.raises(UsageError, match=f"did you mean '{OTHER_ID}'"):
        run(f"trace {OTHER_ID[:-1]}0")
    with pytest.raises(UsageError, match=f"there is '{OTHER_ID}', '{ID}'"):
        run("trace 17")


def test_before_any_call_there_is_no_trace() -> None:
    with pytest.raises(UsageError, match="no trace yet: call a tool, or run a cell in a worker"):
        run("trace")


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ("logs", ["one", "two", "three"]),
        ("logs w0", ["one", "two"]),
        (f"logs {ID}", ["two", "three"]),
        ("logs kernel --level notset", ["three"]),
        ("logs --level Warning", ["two"]),
        ("logs -n 1", ["three"]),
    ],
)
def test_logs_are_chosen_by_whose_they_are_by_level_and_number(
    logs: LogRing, line: str, messages: list[str]
) -> None:
    logs.add(line_of("w0", "one", level=0))
    logs.add(line_of("w0", "two", level=30, correlation_id=ID))
    logs.add(line_of("", "three", correlation_id=ID))

    shown = run(line).splitlines()[1:]

    assert [text.partition("training: ")[2].split()[0] for text in shown] == messages


def test_logs_say_how_many_lines_are_gone(logs: LogRing) -> None:
    logs.note_dropped(3)

    assert run("logs") == "0 lines of log\n3 older lines not kept."


def test_who_was_silent_is_no_mistake(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = span(Part.CALL, "call", (0, 1), attributes={CORRELATION_ATTRIBUTE: OTHER_ID})
    traces.add(part_of(begun))
    monkeypatch.setattr(face, "pools", lambda: (PoolOf(WorkerId("w7")),))

    for silent in ("kernel", "w7", OTHER_ID):
        assert run(f"logs {silent}") == f"0 lines of log of {silent}"


def test_whom_nobody_has_heard_of_is_told_the_nearest(
    logs: LogRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.add(line_of("w0", "hi", correlation_id=ID))
    monkeypatch.setattr(face, "pools", lambda: (PoolOf(WorkerId("w7")),))

    with pytest.raises(UsageError, match=f"no logs of 'sp-6': there is '{ID}'"):
        run("logs sp-6")
    with pytest.raises(UsageError, match=f"'x': there is 'kernel', '{ID}', 'w0', 'w7'"):
        run("logs x")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("logs --level warnin", "There is no level 'warnin': did you mean 'warning'"),
        ("logs -n 0", "give a number above 0, not 0"),
        ("logs -n many", "invalid int value: 'many'"),
        ("logs --lines 5", "has no option '--lines': there is '--level', '--to'."),
        ("trace last more", "what is 'more'?"),
    ],
)
def test_a_wrong_word_is_one_line(line: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        run(line)

    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
