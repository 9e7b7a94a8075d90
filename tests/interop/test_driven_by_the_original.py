"""Our worker under a host that speaks the original's protocol, and knows nothing of ours."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc

from .elixir_host import (
    HEADER,
    ROOT,
    SCRIPT,
    SECONDS,
    Bridge,
    Worker,
    a_bridge,
    driving,
    has_ipv6,
    port_in,
    serving,
    start,
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def host() -> Bridge:
    return a_bridge()


@pytest.fixture(scope="module")
def worker(host: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with driving(host, tmp_path_factory.mktemp("driven")) as worker:
        request = bridge.InitializeSessionRequest(
            session_id="session_1", metadata={"elixir_node": "nonode@nohost"}
        )
        response = worker.stub.InitializeSession(request, timeout=SECONDS)
        assert response.success
        assert "echo" in response.available_tools
        yield worker


def test_it_probes_its_host_before_it_says_that_it_is_ready(tmp_path: Path) -> None:
    host = a_bridge()
    with driving(host, tmp_path):
        request, _ = host.until("Ping")
        assert request.message == "connection_test"


def test_a_session_is_the_hosts_and_its_tools_are_registered_there(
    host: Bridge, worker: Worker
) -> None:
    opened, _ = host.until("InitializeSession")
    assert (opened.session_id, opened.metadata["elixir_node"]) == ("session_1", "nonode@nohost")
    registered, _ = host.until("RegisterTools")
    tools = {tool.name: tool for tool in registered.tools}
    assert registered.session_id == "session_1"
    assert registered.worker_id == f"python-{worker.process.pid}"
    assert tools["count"].supports_streaming
    assert tools["count"].metadata["supports_streaming"] == "true"
    assert tools["echo"].parameters[0].default_value.value == b"null"


def test_tools_that_the_session_has_already_are_no_problem(host: Bridge, worker: Worker) -> None:
    host.answers_registration = bridge.RegisterToolsResponse(
        success=False, error_message="{:duplicate_tool, 'echo'}"
    )
    request = bridge.InitializeSessionRequest(session_id="session_1")
    assert worker.stub.InitializeSession(request, timeout=SECONDS).success


@pytest.mark.parametrize(
    "value", [3, 2**63 + 1, 0.5, True, None, "text", [1, [2]], {"a": {"b": None}}, "", "NaN"]
)
def test_values_come_back_as_json(worker: Worker, value: object) -> None:
    found = worker.value("echo", value=value)
    assert (type(found), found) == (type(value), value)


def test_bytes_go_and_come_beside_the_json(worker: Worker) -> None:
    request = bridge.ExecuteToolRequest(tool_name="echo", binary_parameters={"value": b"\x00\xff"})
    assert worker.stub.ExecuteTool(request, timeout=SECONDS).binary_result == b"\x00\xff"


def test_what_json_has_not_takes_a_form_or_a_marker(worker: Worker) -> None:
    assert worker.value("odd", kind="moment") == "2020-01-02T00:00:00+00:00"
    assert worker.value("odd", kind="object") == {
        "here": {"__ffi_unserializable__": True, "__type__": "builtins.object"}
    }


def test_an_error_is_the_originals_json(worker: Worker) -> None:
    response = worker.call("fail")
    error = json.loads(response.error_message)
    assert not response.success
    assert (error["type"], error["message"]) == ("KeyError", "'missing'")
    assert error["context"]["tool_name"] == "fail"
    assert error["traceback"].endswith("KeyError: 'missing'\n")
    assert isinstance(error["stacktrace"], list)


@pytest.mark.parametrize(
    ("tool", "data", "words"),
    [("nobody", b"1", "There is no tool 'nobody'"), ("echo", b"{", "parameter 'value'")],
)
def test_a_call_that_does_not_fit_is_such_an_error_too(
    worker: Worker, tool: str, data: bytes, words: str
) -> None:
    request = bridge.ExecuteToolRequest(tool_name=tool)
    request.parameters["value"].value = data
    response = worker.stub.ExecuteTool(request, timeout=SECONDS)
    assert words in json.loads(response.error_message)["message"]


def test_the_header_outdoes_the_metadata_and_the_tool_sees_both(worker: Worker) -> None:
    found = json.loads(worker.call("ids", correlation="sp-header").result.value)
    assert (found["correlation"], found["session"]) == ("sp-header", "session_1")
    assert found["metadata"]["python_platform"] == "x"
    assert json.loads(worker.call("ids").result.value)["correlation"] == "sp-mirror"


def test_it_leads_a_process_group_of_its_own(worker: Worker) -> None:
    found = worker.value("ids")
    assert found["pid"] == found["group"] == worker.process.pid


def test_a_stream_ends_with_one_final_chunk(worker: Worker) -> None:
    chunks = list(worker.stream("count", to=3))
    assert [chunk.chunk_id for chunk in chunks] == [f"count-{number}" for number in range(1, 5)]
    assert [json.loads(chunk.data) for chunk in chunks[:3]] == [{"number": n} for n in range(3)]
    assert [chunk.is_final for chunk in chunks] == [False, False, False, True]
    assert chunks[3].data == b""


def test_no_item_of_a_stream_makes_it_hang(worker: Worker) -> None:
    data = [chunk.data for chunk in worker.stream("mixed")]
    assert data[:4] == [b'{"at":"2020-01-02T00:00:00+00:00"}', b"text", b"\x00", b""]
    assert json.loads(data[4])["__ffi_unserializable__"] is True


def test_a_stream_that_fails_ends_with_the_originals_json(worker: Worker) -> None:
    stream = worker.stream("break_off")
    assert next(stream).data == b"1"
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert json.loads(caught.value.details() or "")["type"] == "ValueError"


def test_sessions_and_their_heartbeats_are_the_hosts(host: Bridge, worker: Worker) -> None:
    for session_id, is_valid in [("session_1", True), ("session_2", False)]:
        request = bridge.HeartbeatRequest(session_id=session_id)
        answer = worker.stub.Heartbeat(request, metadata=[(HEADER, "sp-h")], timeout=SECONDS)
        assert answer.session_valid is is_valid
    assert host.until("Heartbeat")[1][HEADER] == "sp-h"
    cleaned = worker.stub.CleanupSession(
        bridge.CleanupSessionRequest(session_id="session_1"), timeout=SECONDS
    )
    assert cleaned.resources_cleaned == 7


def test_what_the_host_does_not_have_is_refused_as_there(worker: Worker) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        worker.stub.GetSession(bridge.GetSessionRequest(session_id="s"), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("value", ["text", "fail not", 3, 0.5, True, None, [1, None], {"a": [2]}])
def test_its_tools_call_the_hosts_functions(host: Bridge, worker: Worker, value: object) -> None:
    response = worker.call("ask", correlation="sp-asked", key=value)
    assert json.loads(response.result.value) == {"key": value}
    asked, headers = host.until("ExecuteElixirTool")
    assert (asked.session_id, asked.tool_name) == ("session_1", "lookup")
    assert headers[HEADER] == asked.metadata["correlation_id"] == "sp-asked"
    assert worker.value("host_tools") == ["lookup"]


@pytest.mark.parametrize(
    ("tool", "values", "words"),
    [("ask", {"key": "fail"}, "no such key"), ("ask_by_place", {}, "give its arguments by name")],
)
def test_what_the_hosts_function_says_is_raised_in_the_tool(
    worker: Worker, tool: str, values: dict[str, object], words: str
) -> None:
    response = worker.call(tool, correlation="", **values)
    assert words in json.loads(response.error_message)["message"]


def test_telemetry_is_open_at_once(worker: Worker) -> None:
    stream = worker.stub.StreamTelemetry(iter(()), timeout=SECONDS)
    assert stream.initial_metadata() is not None
    stream.cancel()


@pytest.mark.parametrize("address", ["127.0.0.1", *(["[::1]"] if has_ipv6() else [])])
def test_it_listens_on_loopback_by_both_protocols(worker: Worker, address: str) -> None:
    with grpc.insecure_channel(f"{address}:{worker.port}") as channel:
        stub: Any = snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)
        assert stub.Ping(bridge.PingRequest(message="x"), timeout=SECONDS).message == "x"


def test_it_listens_nowhere_else(worker: Worker) -> None:
    address = socket.gethostbyname(socket.gethostname())
    assert address.startswith("127.") or not is_open(address, worker.port)


def is_open(address: str, port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((address, port)) == 0


def test_as_many_calls_run_at_once_as_it_was_told(tmp_path: Path) -> None:
    with (
        driving(a_bridge(), tmp_path, "--max-workers", "2") as worker,
        ThreadPoolExecutor(2) as two,
    ):
        assert list(two.map(worker.value, ["meet", "meet"])) == [True, True]


def test_it_ends_in_time_under_a_tool_that_does_not(tmp_path: Path) -> None:
    with serving(a_bridge()) as address:
        process = start(address, tmp_path / "ready")
        worker = Worker(process, port_in(tmp_path / "ready", process), "localhost")
        stream = worker.stream("sleep")
        assert next(stream).data == b"1"
        process.terminate()
        process.communicate(timeout=6)
        stream.cancel()
        worker.channel.close()
    assert process.returncode == 143


@pytest.mark.parametrize("_", range(3))
def test_it_ends_in_time_also_where_the_call_is_cancelled_in_that_moment(
    tmp_path: Path, _: int
) -> None:
    with serving(a_bridge()) as address:
        process = start(address, tmp_path / "ready")
        worker = Worker(process, port_in(tmp_path / "ready", process), "localhost")
        stream = worker.stream("sleep")
        assert next(stream).data == b"1"
        stream.cancel()
        process.terminate()
        process.communicate(timeout=6)
        worker.channel.close()
    assert process.returncode in (0, 143)


def test_it_ends_when_its_host_is_gone(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready"
    with serving(a_bridge()) as address:
        process = start(address, ready_file)
        port_in(ready_file, process)
    assert process.wait(SECONDS) == 0
    process.communicate()


def test_it_outlives_a_host_that_it_does_not_depend_on(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready"
    config = {"interval_ms": 10, "timeout_ms": 50, "max_missed_heartbeats": 1, "dependent": False}
    variables = {"SNAKEPIT_HEARTBEAT_CONFIG": json.dumps(config)}
    with serving(a_bridge()) as address:
        process = start(address, ready_file, environment=variables)
        port = port_in(ready_file, process)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert Worker(process, port, "localhost").value("echo", value=1) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_it_heeds_the_signal_while_it_still_looks_for_its_host(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        process = start(f"127.0.0.1:{mute.getsockname()[1]}", tmp_path / "ready")
        with mute.accept()[0]:  # it asks, and hears nothing
            process.terminate()
            process.communicate(timeout=6)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("adapter", "status"), [("tests.interop.driven_tools.DrivenTools", 0), ("tests.nobody.X", 1)]
)
def test_a_health_check_only_imports_the_adapter(adapter: str, status: int) -> None:
    done = run("--adapter", adapter, "--health-check")
    assert done.returncode == status
    assert ("UsageError" in done.stderr) is bool(status)


def test_without_an_address_it_says_how_it_is_used() -> None:
    done = run("--adapter", "tests.interop.driven_tools.DrivenTools")
    assert done.returncode == 2
    assert "--elixir-address HOST:PORT is missing" in done.stderr


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
