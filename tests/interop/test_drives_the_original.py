"""Our pool over workers that speak the original's protocol, and know nothing of ours."""

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.bridge.host_tools import host_tools
from snakepit_nb.channel.wire_sessions import MOST_SESSIONS
from snakepit_nb.errors import (
    CallTimeoutError,
    ToolError,
    UsageError,
    ValueEncodingError,
    WorkerCrashedError,
    WorkerStartError,
)
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from tests.crashes.root import require_root
from tests.waiting import until

from .elixir_host import ROOT
from .elixir_host import SCRIPT as OURS

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).with_name("original_worker.py")
COMMAND = f"{sys.executable} {SCRIPT}"
SECONDS = 10
NOBODY = 65534
UNSHARED = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own


def open_pool(name: str, *flags: str, **options: Any) -> Pool:  # noqa: ANN401 (any of a pool's)
    fields = {"workers": 1, "adapters": ["a_module:AnAdapter"], **options}
    return snakepit.start(name=name, worker_command=" ".join((COMMAND, *flags)), **fields)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with open_pool("original", env={"MINE": "1"}, interrupt_grace=2.0) as opened:
        yield opened


@pytest.fixture
def lookup() -> Iterator[None]:
    @snakepit.expose
    def lookup(key: Any, other: Any = 0) -> Any:  # noqa: ANN401 (that is what it is about)
        """Returns what it was given."""
        if key == "fail":
            raise ValueError("in the notebook")
        return {"key": key, "other": other} if key != "object" else object()

    yield
    host_tools.remove("lookup")


def test_it_is_started_as_the_original_starts_it(pool: Pool) -> None:
    told = pool.call("told")
    flags = dict(zip(told["argv"][::2], told["argv"][1::2], strict=True))
    assert flags["--adapter"] == "a_module.AnAdapter"
    assert flags["--port"] == "0"
    assert flags["--elixir-address"].startswith("127.0.0.1:")
    assert flags["--snakepit-instance-name"] == "original"
    assert flags["--snakepit-run-id"]
    assert told["environment"]["MINE"] == "1"
    assert told["environment"]["OMP_NUM_THREADS"] == "1"
    assert told["environment"]["PYTHONPATH"].startswith(told["cwd"])
    assert told["group"] == told["pid"]
    assert told["token"] is None


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (3, ["int", "3"]),
        (2**70, ["int", str(2**70)]),
        (0.5, ["float", "0.5"]),
        (math.nan, ["float", "nan"]),
        (-math.inf, ["float", "-inf"]),
        (True, ["bool", "True"]),
        (None, ["NoneType", "None"]),
        ("text", ["str", "'text'"]),
        ((1, [None]), ["list", "[1, [None]]"]),
        ({"a": {"b": 1}}, ["dict", "{'a': {'b': 1}}"]),
        (b"\x00\xff", ["bytes", "b'\\x00\\xff'"]),
    ],
)
def test_a_parameter_arrives_as_json_or_bytes(pool: Pool, value: object, arrives: object) -> None:
    assert pool.call("kind", value=value) == arrives


@pytest.mark.parametrize("value", ["text", 0.5, True, [1, {"a": None}], {"a": 1}, math.inf])
def test_a_result_is_what_the_json_says(pool: Pool, value: object) -> None:
    assert pool.call("echo", value=value) == value


def test_a_parameter_without_form_is_refused_by_its_name(pool: Pool) -> None:
    with pytest.raises(ValueEncodingError, match=r"parameter 'value': .* no form in JSON"):
        pool.call("echo", value=object())


def test_what_it_raises_is_of_its_builtin_type_with_its_traceback(pool: Pool) -> None:
    with pytest.raises(KeyError) as caught:
        pool.call("fail")
    error = caught.value
    assert isinstance(error, ToolError)
    assert "in the original" in error.remote_traceback
    assert error.details["tool_name"] == "fail"


def test_the_correlation_id_is_in_the_header_and_in_the_metadata(pool: Pool) -> None:
    with snakepit.correlation("sp-mine"):
        told = pool.call("told")
    assert told["header"] == told["metadata"]["correlation_id"] == "sp-mine"


def test_its_tools_are_known_from_the_start(pool: Pool) -> None:
    assert {"echo", "count"} <= set(pool.tools)


def test_a_stream_comes_item_by_item(pool: Pool) -> None:
    assert list(pool.stream("count", to=3)) == [{"number": number} for number in range(3)]


def test_a_stream_that_fails_brings_what_came_before(pool: Pool) -> None:
    items = pool.stream("mixed")
    assert [next(items), next(items)] == ["word", 3]
    with pytest.raises(ValueError, match="in the middle"):
        next(items)


def test_a_stream_that_nobody_wants_any_more_is_stopped(pool: Pool, tmp_path: Path) -> None:
    note = tmp_path / "stopped"
    with closing(pool.stream("count", to=100_000_000, note=str(note))) as items:
        next(items)
    assert pool.call("echo", value="free") == "free"
    until(note.exists)


@pytest.mark.usefixtures("lookup")
@pytest.mark.parametrize("value", ["text", 3, True, None, [1, {"a": None}], {"b": [2]}, "[no list"])
def test_a_host_tool_gets_what_was_meant(pool: Pool, value: object) -> None:
    answer = pool.call("ask", name="lookup", arguments=repr({"key": value, "other": value}))
    assert answer == {"value": {"key": value, "other": value}, "tools": ["lookup"]}


@pytest.mark.usefixtures("lookup")
@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("lookup", "fail", "ValueError.*in the notebook"),
        ("lookup", "object", "ValueEncodingError.*no form in JSON"),
        ("lookop", "x", "There is no host tool 'lookop'.*did you mean 'lookup'"),
    ],
)
def test_what_a_host_tool_raises_reaches_the_worker(
    pool: Pool, name: str, key: str, words: str
) -> None:
    with pytest.raises(RuntimeError, match=words):
        pool.call("ask", name=name, arguments=repr({"key": key}))


def test_heartbeats_go_on_for_each_session_until_it_ends(pool: Pool) -> None:
    with pool.session("mine") as session:
        assert session.call("told")["session"] == "mine"
        pool.call("wait", seconds=0.3)
        assert set(pool.call("told")["beats"]) >= {"mine"}


def test_a_worker_is_told_of_a_bounded_number_of_sessions(pool: Pool) -> None:
    for number in range(MOST_SESSIONS + 2):
        pool.call("echo", session=f"s{number}")
    assert pool.call("told")["cleaned"]
    assert pool.call("told", session="s0")["session"] == "s0"


@pytest.mark.parametrize("work", ["cell", "function"])
def test_it_runs_tools_only(pool: Pool, work: str) -> None:
    with pytest.raises(UsageError, match="run tools only"):
        pool.exec("x = 1") if work == "cell" else pool.submit(pow, 2, 3).result()


def test_a_call_that_takes_too_long_is_waited_for_or_ends_with_its_worker(pool: Pool) -> None:
    before = pool.call("told")["pid"]
    with pytest.raises(CallTimeoutError):
        pool.call("wait", seconds=0.4, timeout=0.2)
    assert pool.call("told")["pid"] == before
    with pytest.raises(CallTimeoutError, match="its worker was killed"):
        pool.call("wait", seconds=60, timeout=0.2)
    assert pool.call("told")["pid"] != before


def test_an_end_by_exit_code_0_is_a_crash_too(pool: Pool) -> None:
    with pytest.raises(WorkerCrashedError, match="exit code 0"):
        pool.call("leave")
    assert pool.call("echo", value="another") == "another"


@pytest.fixture
def stub(pool: Pool) -> Iterator[Any]:
    argv = pool.call("told")["argv"]
    with grpc.insecure_channel(argv[argv.index("--elixir-address") + 1]) as channel:
        yield snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)


NOBODYS = "of-nobody"


@pytest.mark.usefixtures("lookup")
@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("InitializeSession", bridge.InitializeSessionRequest(session_id=NOBODYS)),
        ("RegisterTools", bridge.RegisterToolsRequest(session_id=NOBODYS)),
        ("Heartbeat", bridge.HeartbeatRequest(session_id=NOBODYS)),
        ("GetSession", bridge.GetSessionRequest(session_id=NOBODYS)),
        ("CleanupSession", bridge.CleanupSessionRequest(session_id=NOBODYS)),
        ("GetExposedElixirTools", bridge.GetExposedElixirToolsRequest()),
        ("ExecuteElixirTool", bridge.ExecuteElixirToolRequest(tool_name="lookup")),
        ("ExecuteTool", bridge.ExecuteToolRequest(tool_name="echo")),
    ],
)
def test_its_listener_serves_the_sessions_of_its_workers_only(
    stub: Any,  # noqa: ANN401 (gRPC's)
    method: str,
    request_: object,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, method)(request_, timeout=SECONDS)
    status = "UNIMPLEMENTED" if method == "ExecuteTool" else "PERMISSION_DENIED"
    assert caught.value.code().name == status


def test_its_listener_refuses_the_processes_of_other_users(pool: Pool) -> None:
    require_root("be another user for a moment")
    told = pool.call("told")
    address = told["argv"][told["argv"].index("--elixir-address") + 1]
    request = bridge.HeartbeatRequest(session_id=told["session"])
    os.seteuid(NOBODY)
    try:
        with grpc.insecure_channel(address, options=UNSHARED) as channel:
            theirs: Any = snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                theirs.Heartbeat(request, timeout=SECONDS)
    finally:
        os.seteuid(0)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_our_pool_drives_the_worker_that_is_ours_for_another_host() -> None:
    @snakepit.expose
    def lookup(key: object) -> object:
        return [key]

    with snakepit.start(
        name="circle",
        workers=1,
        adapters=["tests.interop.driven_tools:DrivenTools"],
        worker_command=f"{sys.executable} {OURS}",
        cwd=str(ROOT),
    ) as pool:
        assert pool.call("echo", value=[3, None, 2**70]) == [3, None, 2**70]
        assert pool.call("odd", kind="bytes") == b"\x00\xff"
        assert list(pool.stream("count", to=2)) == [{"number": 0}, {"number": 1}]
        assert pool.call("ask", key={"a": 1}) == [{"a": 1}]
        with pytest.raises(KeyError, match="missing"):
            pool.call("fail")
    host_tools.remove("lookup")


def test_who_starts_one_is_warned(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    note = tmp_path / "ended"
    with caplog.at_level(logging.WARNING), open_pool("warned", f"--note-end {note}") as pool:
        assert "without a token" in caplog.text
        assert "without a token" in pool.status().problems[0]
    assert note.exists()  # it was asked by the signal


def test_one_that_heeds_no_signal_is_killed() -> None:
    with open_pool("deaf", "--deaf", stop_grace=0.3) as pool:
        assert pool.call("echo", value=1) == 1


def test_one_that_does_not_get_ready_says_why() -> None:
    with pytest.raises(WorkerStartError, match="ended with exit code 1 before it was ready") as no:
        open_pool("never", "--complain")
    assert "the adapter cannot be imported" in no.value.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"worker_command": "   "}, "give a program"),
        ({"worker_command": "python 'x"}, "No closing quotation"),
        ({"worker_command": COMMAND, "adapters": ["a.B", "c.D"]}, "one --adapter"),
        ({"worker_command": COMMAND, "python": "python3"}, "leave --python out"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        snakepit.start(name="refused", **options)
