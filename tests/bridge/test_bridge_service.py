"""The bridge, asked by another program over gRPC."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import snakepit_nb as snakepit
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.bridge.host_tools import host_tools
from snakepit_nb.errors import UsageError
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge

from .asking import Program, asking, call_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

ON_PATH = {"PYTHONPATH": str(Path(__file__).parent)}
METHODS = {
    "Ping": bridge.PingRequest(),
    "InitializeSession": bridge.InitializeSessionRequest(session_id="s1"),
    "CleanupSession": bridge.CleanupSessionRequest(session_id="s1"),
    "GetSession": bridge.GetSessionRequest(session_id="s1"),
    "Heartbeat": bridge.HeartbeatRequest(session_id="s1"),
    "ExecuteTool": bridge.ExecuteToolRequest(session_id="s1", tool_name="echo"),
    "ExecuteStreamingTool": bridge.ExecuteToolRequest(session_id="s1", tool_name="count"),
    "RegisterTools": bridge.RegisterToolsRequest(session_id="s1"),
    "GetExposedElixirTools": bridge.GetExposedElixirToolsRequest(session_id="s1"),
    "ExecuteElixirTool": bridge.ExecuteElixirToolRequest(session_id="s1", tool_name="lookup"),
    "StreamTelemetry": iter([bridge.TelemetryControl()]),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with snakepit.start(
        workers=1, name="served", adapters=["stream_users:Streams"], env=ON_PATH
    ) as started:
        yield started


@pytest.fixture
def program(pool: Pool) -> Iterator[Program]:
    with asking(pool.serve()) as found:
        found.open_session()
        yield found
        found.ask("CleanupSession", bridge.CleanupSessionRequest(session_id="s1"))


def status_of(ask: Any, *arguments: object, **keywords: object) -> tuple[grpc.StatusCode, str]:  # noqa: ANN401 (a method)
    def ask_and_read() -> None:
        found = ask(*arguments, **keywords)
        if isinstance(found, Iterator):  # a stream
            list(found)

    with pytest.raises(grpc.RpcError) as caught:
        ask_and_read()
    error: Any = caught.value
    return error.code(), error.details()


def value_of(response: Any) -> object:  # noqa: ANN401 (a message)
    assert response.success, response.error_message
    return json.loads(response.result.value)


# Who is let in.


@pytest.mark.parametrize("token", [None, "wrong", "x" * 43], ids=["none", "wrong", "as long"])
@pytest.mark.parametrize("method", METHODS)
def test_without_the_token_no_method_is_reached(pool: Pool, method: str, token: str | None) -> None:
    with asking(pool.serve(), token=token) as stranger:
        code, _ = status_of(stranger.ask, method, METHODS[method])

    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_no_method_is_not_told_to_strangers(pool: Pool) -> None:
    with grpc.insecure_channel(pool.serve().address) as plain:
        ask: Any = plain.unary_unary("/snakepit.bridge.BridgeService/Nothing")
        code, _ = status_of(ask, b"", timeout=10)

    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_a_program_without_credentials_of_grpc_brings_the_token_too(pool: Pool) -> None:
    with asking(pool.serve(), secure=False) as program:
        assert program.ask("Ping", bridge.PingRequest(message="hello")).message == "hello"


def test_a_worker_gets_in_by_its_own_door_only(pool: Pool) -> None:
    code = "import gc\nfrom snakepit_nb.worker.host_client import HostClient\n"
    code += "(client,) = [o for o in gc.get_objects() if isinstance(o, HostClient)]\n"
    code += "token = client._token[1]"
    token = pool.exec(code, returns="token")["token"]

    with asking(pool.serve(), token=token) as stranger:
        status, _ = status_of(stranger.ask, "Ping", bridge.PingRequest())

    assert status is grpc.StatusCode.UNAUTHENTICATED


def test_serving_twice_is_the_same_door_and_a_stopped_one_is_closed(pool: Pool) -> None:
    first = pool.serve()
    assert pool.serve() == first
    assert first.address.startswith("127.0.0.1:")
    assert first.token not in repr(first)

    assert pool.stop_serving()
    assert not pool.stop_serving()

    with asking(first) as program:
        code, _ = status_of(program.ask, "Ping", bridge.PingRequest(), timeout=5)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert pool.serve().token != first.token


def test_a_port_that_is_taken_is_told(pool: Pool) -> None:
    port = int(pool.serve().address.rpartition(":")[2])
    with snakepit.start(workers=1, name="other") as other:
        with pytest.raises(UsageError, match=f"--port {port}: it is taken"):
            other.serve(port)
        with pytest.raises(UsageError, match="1 to 65535"):
            other.serve(70_000)


# Sessions.


def test_a_session_tells_its_true_times_and_counts(program: Program) -> None:
    before = time.time()
    program.open_session("mine", owner="me")
    program.open_session("mine", more="x")
    tool = bridge.ToolRegistration(name="special")
    program.ask("RegisterTools", bridge.RegisterToolsRequest(session_id="mine", tools=[tool]))

    found = program.ask("GetSession", bridge.GetSessionRequest(session_id="mine"))

    assert before <= found.created_at.ToNanoseconds() / 1e9 <= time.time()
    assert dict(found.metadata) == {"owner": "me", "more": "x"}
    assert found.tool_count == 1
    cleaned = program.ask("CleanupSession", bridge.CleanupSessionRequest(session_id="mine"))
    assert (cleaned.success, cleaned.resources_cleaned) == (True, 1)
    code, _ = status_of(program.ask, "GetSession", bridge.GetSessionRequest(session_id="mine"))
    assert code is grpc.StatusCode.NOT_FOUND


def test_a_heartbeat_tells_whether_a_session_is_there(program: Program, pool: Pool) -> None:
    pool.session("cells").exec("x = 1")

    found = {
        name: program.ask("Heartbeat", bridge.HeartbeatRequest(session_id=name)).session_valid
        for name in ("s1", "cells", "nobody's")
    }

    assert found == {"s1": True, "cells": True, "nobody's": False}


def test_cleaning_a_session_up_frees_its_variables_too(program: Program, pool: Pool) -> None:
    pool.session("with-state").exec("x = 1")

    cleaned = program.ask("CleanupSession", bridge.CleanupSessionRequest(session_id="with-state"))

    assert cleaned.resources_cleaned == 1
    assert not list(pool.session("with-state"))


def test_the_tools_of_a_lost_worker_are_gone(program: Program, pool: Pool) -> None:
    (worker,) = pool.status().workers
    tool = bridge.ToolRegistration(name="special")
    request = bridge.RegisterToolsRequest(session_id="s1", tools=[tool], worker_id=worker.worker_id)
    assert program.ask("RegisterTools", request).success

    pool.restart(now=True)

    code, _ = status_of(program.call, "special")
    assert code is grpc.StatusCode.NOT_FOUND


def test_of_a_batch_of_tools_all_are_registered_or_none(program: Program) -> None:
    def register(*names: str) -> Any:  # noqa: ANN401 (a message)
        tools = [bridge.ToolRegistration(name=name) for name in names]
        request = bridge.RegisterToolsRequest(session_id="s1", tools=tools, worker_id="w0")
        return program.ask("RegisterTools", request)

    first = register("a", "b")
    again = register("c", "a")

    assert first.success
    assert dict(first.tool_ids) == {"a": "s1/a", "b": "s1/b"}
    assert not again.success
    assert "duplicate_tool" in again.error_message
    assert register("c").success


# Tools.


@pytest.mark.parametrize("value", ["text", 3, 1.5, True, None, [1, "a"], {"a": [None]}], ids=repr)
def test_a_tool_is_called_in_plain_json(program: Program, value: object) -> None:
    assert value_of(program.call("echo", value=value)) == value


def test_all_metadata_and_the_correlation_id_go_along(program: Program) -> None:
    request = call_of("metadata", "s1")
    request.metadata.update(
        {"correlation_id": "sp-theirs", "colour": "blue", "binary_format:x": "raw"}
    )

    found = value_of(program.ask("ExecuteTool", request))

    assert isinstance(found, dict)
    assert {name: found[name] for name in ("correlation_id", "colour", "binary_format:x")} == {
        "correlation_id": "sp-theirs",
        "colour": "blue",
        "binary_format:x": "raw",
    }


def test_bytes_go_beside_the_parameters_and_come_back_so(program: Program) -> None:
    request = call_of("echo", "s1")
    request.binary_parameters["value"] = b"\x00\xff"

    response = program.ask("ExecuteTool", request)

    assert response.binary_result == b"\x00\xff"


def test_a_tools_error_is_told_in_the_response(program: Program) -> None:
    response = program.call("fail")

    told = json.loads(response.error_message)
    assert not response.success
    assert (told["type"], told["message"]) == ("ValueError", "in the worker")
    assert "in fail" in told["traceback"]


def test_a_function_of_the_notebook_is_a_tool_too(program: Program) -> None:
    snakepit.expose(lambda value: [value], name="wrap")
    try:
        assert value_of(program.call("wrap", value=1)) == [1]
        code, _ = status_of(lambda: list(program.stream("wrap", value=1)))
    finally:
        host_tools.remove("wrap")

    assert code is grpc.StatusCode.UNIMPLEMENTED


NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["ExecuteTool", "ExecuteStreamingTool"])
@pytest.mark.parametrize(
    ("tool", "session", "expected"),
    [("count", "nobody's", NOT_FOUND), ("count", "", NOT_FOUND), ("nothing", "s1", NOT_FOUND)],
)
def test_what_is_not_there_is_not_found(
    program: Program, method: str, tool: str, session: str, expected: grpc.StatusCode
) -> None:
    code, _ = status_of(program.ask, method, call_of(tool, session, number=1))

    assert code is expected


@pytest.mark.parametrize("method", ["ExecuteTool", "ExecuteStreamingTool"])
def test_a_parameter_that_cannot_be_read_is_named(program: Program, method: str) -> None:
    request = call_of("count", "s1")
    request.parameters["number"].value = b"{not json"

    code, details = status_of(program.ask, method, request)

    assert code is INVALID
    assert "'number'" in details


@pytest.mark.parametrize("text", ["soon", "0", "-1", ""])
def test_a_time_that_is_none_is_refused(program: Program, text: str) -> None:
    request = call_of("count", "s1", number=1)
    request.metadata["timeout_ms"] = text

    code, details = status_of(program.ask, "ExecuteTool", request)

    assert code is INVALID
    assert "timeout_ms" in details


@pytest.mark.parametrize("by", ["metadata", "deadline"])
def test_a_call_takes_no_longer_than_it_may(program: Program, pool: Pool, by: str) -> None:
    request = call_of("sleep", "s1", seconds=50.0)
    begun = time.monotonic()
    if by == "metadata":
        request.metadata["timeout_ms"] = "300"
        response = program.ask("ExecuteTool", request)
        assert "CallTimeoutError" in response.error_message
    else:
        code, _ = status_of(program.ask, "ExecuteTool", request, timeout=0.3)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED

    assert pool.call("echo", value=1) == 1
    assert time.monotonic() - begun < 30


# Streams.


def test_a_stream_is_forwarded_chunk_by_chunk(program: Program) -> None:
    chunks = list(program.stream("count", number=3))

    assert [chunk.data for chunk in chunks] == [b"0", b"1", b"2", b""]
    assert [chunk.is_final for chunk in chunks] == [False, False, False, True]
    assert [chunk.chunk_id for chunk in chunks] == [f"count-{n}" for n in range(1, 5)]
    final = dict(chunks[-1].metadata)
    assert final["tool_type"] == "remote"
    assert final["worker_id"].startswith("w0")
    assert int(final["execution_time_ms"]) >= 0


def test_a_tool_that_does_not_stream_is_not_streamed(program: Program) -> None:
    code, _ = status_of(lambda: list(program.stream("echo", value=1)))

    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_an_error_ends_the_stream_behind_its_chunks(program: Program) -> None:
    seen: list[bytes] = []

    def read() -> None:
        seen.extend(chunk.data for chunk in program.stream("fail_at", number=2))

    code, details = status_of(read)

    assert seen == [b"0", b"1"]
    assert code is grpc.StatusCode.INTERNAL
    assert json.loads(details)["type"] == "ValueError"


def test_a_reader_that_goes_away_stops_the_tool(
    program: Program, pool: Pool, tmp_path: Path
) -> None:
    note = tmp_path / "ended"
    stream = program.stream("noted", note=str(note))
    next(stream)

    stream.cancel()

    assert pool.call("echo", value=1) == 1  # its only worker is free again
    assert note.exists()


def test_other_programs_hear_what_happens(program: Program, pool: Pool) -> None:
    is_over = threading.Event()

    def controls() -> Iterator[bridge.TelemetryControl]:
        allowed = bridge.TelemetryEventFilter(allow=["pool.call.*"])
        yield bridge.TelemetryControl(filter=allowed)
        is_over.wait(30)

    def go_on_calling() -> None:
        while not is_over.is_set():
            pool.call("echo", value=1)

    calling = threading.Thread(target=go_on_calling)
    calling.start()
    events = program.ask("StreamTelemetry", controls())
    try:
        heard = next(events)
    finally:
        is_over.set()
        events.cancel()
        calling.join()

    assert ".".join(heard.event_parts).startswith("pool.call.")
    assert heard.metadata["pool"] == "served"
    assert heard.correlation_id.startswith("sp-")


def test_those_who_hear_and_go_again_leave_the_worker_alone(program: Program, pool: Pool) -> None:
    pids = [worker.pid for worker in pool.status().workers]
    is_over = threading.Event()

    def go_on_calling() -> None:
        while not is_over.is_set():
            pool.call("echo", value=1)

    calling = threading.Thread(target=go_on_calling)
    calling.start()
    try:
        for _ in range(30):
            events = program.ask("StreamTelemetry", iter([bridge.TelemetryControl()]))
            next(events)
            events.cancel()
    finally:
        is_over.set()
        calling.join()

    assert [worker.pid for worker in pool.status().workers] == pids
