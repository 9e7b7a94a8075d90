"""A host as the original is one, scripted after its protocol: it starts a worker and drives it."""

import json
import os
import queue
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc
from tests.waiting import until

SCRIPT = Path(__file__).parents[2] / "snakepit_nb/worker/elixir/grpc_server.py"
ROOT = SCRIPT.parents[3]
RAW_URL = "type.googleapis.com/google.protobuf.StringValue"
HEADER = "x-snakepit-correlation-id"
LIMIT = [
    ("grpc.max_receive_message_length", 100 << 20),
    ("grpc.max_send_message_length", 100 << 20),
]
SECONDS = 15


def has_ipv6() -> bool:
    """Tells whether there is such a loopback, which not every container has."""
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


class Bridge(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    """What the worker asks of its host. Each request is noted, with its headers."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, Any, dict[str, Any]]] = queue.Queue()
        self.answers_registration = bridge.RegisterToolsResponse(success=True)

    def _note(self, name: str, request: object, context: Any) -> None:  # noqa: ANN401 (gRPC's)
        self.asked.put((name, request, dict(context.invocation_metadata())))

    def Ping(self, request: bridge.PingRequest, context: Any) -> bridge.PingResponse:  # noqa: ANN401, N802
        self._note("Ping", request, context)
        return bridge.PingResponse(message=request.message)

    def InitializeSession(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._note("InitializeSession", request, context)
        return bridge.InitializeSessionResponse(success=True)

    def RegisterTools(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._note("RegisterTools", request, context)
        return self.answers_registration

    def Heartbeat(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._note("Heartbeat", request, context)
        return bridge.HeartbeatResponse(session_valid=request.session_id == "session_1")

    def CleanupSession(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._note("CleanupSession", request, context)
        return bridge.CleanupSessionResponse(success=True, resources_cleaned=7)

    def GetExposedElixirTools(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._note("GetExposedElixirTools", request, context)
        return bridge.GetExposedElixirToolsResponse(tools=[bridge.ToolSpec(name="lookup")])

    def ExecuteElixirTool(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """Reads JSON whatever the type url says, as the original does."""
        self._note("ExecuteElixirTool", request, context)
        key = json.loads(request.parameters["key"].value, parse_constant=refuse)
        if key == "fail":
            return bridge.ExecuteElixirToolResponse(success=False, error_message="no such key")
        result = AnyMessage(type_url=RAW_URL, value=json.dumps({"key": key}).encode())
        return bridge.ExecuteElixirToolResponse(success=True, result=result)

    def until(self, name: str) -> tuple[Any, dict[str, Any]]:
        """Returns the next request of that name."""
        while True:
            found, request, headers = self.asked.get(timeout=SECONDS)
            if found == name:
                return request, headers


def a_bridge() -> Bridge:
    return Bridge()  # type: ignore[abstract]  # the rest: UNIMPLEMENTED


class Worker:
    """One worker process, and the stub that drives it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, address: str) -> None:
        self.process = process
        self.port = port
        self.channel = grpc.insecure_channel(f"{address}:{port}", options=LIMIT)
        self.stub: Any = snakepit_bridge_pb2_grpc.BridgeServiceStub(self.channel)

    def call(self, tool: str, *, correlation: str = "", **values: object) -> Any:  # noqa: ANN401 (JSON)
        """Runs a tool as the original does."""
        return self.stub.ExecuteTool(
            request_for(tool, values), metadata=headers_of(correlation), timeout=SECONDS
        )

    def stream(self, tool: str, **values: object) -> Any:  # noqa: ANN401 (JSON)
        """Streams a tool as the original does."""
        return self.stub.ExecuteStreamingTool(
            request_for(tool, values), metadata=headers_of(""), timeout=SECONDS
        )

    def value(self, tool: str, **values: object) -> Any:  # noqa: ANN401 (JSON)
        """Returns what a tool returns, read as the original reads it."""
        response = self.call(tool, correlation="", **values)
        assert response.success, response.error_message
        return json.loads(response.result.value, parse_constant=refuse)


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def request_for(tool: str, values: dict[str, object]) -> bridge.ExecuteToolRequest:
    parameters = {
        name: AnyMessage(type_url=RAW_URL, value=json.dumps(value).encode())
        for name, value in values.items()
    }
    return bridge.ExecuteToolRequest(
        session_id="session_1",
        tool_name=tool,
        parameters=parameters,
        metadata={"correlation_id": "sp-mirror", "python_platform": "x"},
    )


def headers_of(correlation: str) -> list[tuple[str, str]]:
    return [(HEADER, correlation)] if correlation else []


@contextmanager
def serving(bridge_service: Bridge) -> Iterator[str]:
    """Serves a bridge; gives its address."""
    server = grpc.server(ThreadPoolExecutor(8))
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(bridge_service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(SECONDS)


def start(
    address: str, ready_file: Path, *flags: str, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Starts a worker with the flags and the environment that the original gives it."""
    arguments = [
        "--adapter", "tests.interop.driven_tools.DrivenTools", "--port", "0",
        "--elixir-address", address, "--snakepit-run-id", "abc1234",
        "--snakepit-instance-name", "tests", *flags,
    ]  # fmt: skip
    variables = {
        "PYTHONPATH": str(ROOT),
        "SNAKEPIT_READY_FILE": str(ready_file),
        "SNAKEPIT_PROCESS_GROUP": "1",
        "SNAKEPIT_HEARTBEAT_CONFIG": json.dumps(
            {"enabled": True, "interval_ms": 200, "timeout_ms": 1000, "max_missed_heartbeats": 2}
        ),
        **(environment or {}),
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=SCRIPT.parent,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def port_in(ready_file: Path, process: "subprocess.Popen[bytes]") -> int:
    """Waits for the port that a worker announces."""
    until(lambda: ready_file.exists() or process.poll() is not None)
    assert process.stdout is not None
    assert process.poll() is None, process.stdout.read().decode()
    return int(ready_file.read_text())


@contextmanager
def driving(
    bridge_service: Bridge, directory: Path, *flags: str, address: str = "localhost"
) -> Iterator[Worker]:
    """Starts a worker, drives it, and ends it as the original does."""
    with serving(bridge_service) as host_address:
        ready_file = directory / "ready"
        process = start(host_address, ready_file, *flags)
        try:
            worker = Worker(process, port_in(ready_file, process), address)
            yield worker
            worker.channel.close()
            process.terminate()
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()
            process.communicate()
