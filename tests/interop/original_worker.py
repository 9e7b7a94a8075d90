"""A worker as the original's are, scripted after their protocol: `python original_worker.py ...`.

It knows nothing of ours but the messages. Its tools are the functions at the end.
"""

import argparse
import ast
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.wrappers_pb2 import StringValue

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc

HEADER = "x-snakepit-correlation-id"
RAW_URL = "type.googleapis.com/google.protobuf.Value"
FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
SECONDS = 10

sessions: dict[str, threading.Event] = {}
registered: set[str] = set()
cleaned: list[str] = []
beats: list[str] = []


class Worker(snakepit_bridge_pb2_grpc.BridgeServiceServicer):
    def __init__(self, host: Any) -> None:  # noqa: ANN401 (gRPC's)
        self.host = host

    def Ping(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        return bridge.PingResponse(message=request.message)

    def InitializeSession(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        self.open(request.session_id)
        return bridge.InitializeSessionResponse(success=True)

    def CleanupSession(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        cleaned.append(request.session_id)
        registered.discard(request.session_id)
        ended = sessions.pop(request.session_id, None)
        if ended is not None:
            ended.set()
        return self.host.CleanupSession(request, timeout=SECONDS)

    def ExecuteTool(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        try:
            value = self.run(request, context)
        except Exception as error:  # noqa: BLE001 (it travels)
            return bridge.ExecuteToolResponse(success=False, error_message=failure(error, request))
        kind = type(value).__name__ if isinstance(value, bool | dict | list | float) else "string"
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        data = json.dumps(value if value is not None else "None").encode()
        result = AnyMessage(type_url=f"type.googleapis.com/snakepit.{kind}", value=data)
        return bridge.ExecuteToolResponse(success=True, result=result, execution_time_ms=1)

    def ExecuteStreamingTool(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        try:
            for number, item in enumerate(self.run(request, context), start=1):
                yield chunk(request.tool_name, number, item)
        except Exception as error:  # noqa: BLE001 (it travels)
            context.abort(grpc.StatusCode.INTERNAL, failure(error, request))
        yield bridge.ToolChunk(chunk_id=f"{request.tool_name}-last", is_final=True)

    def run(self, request: Any, context: Any) -> Any:  # noqa: ANN401 (a tool's)
        self.open(request.session_id)
        if request.session_id not in registered:
            tools = [bridge.ToolRegistration(name=name, description="d") for name in TOOLS]
            answer = self.host.RegisterTools(
                bridge.RegisterToolsRequest(
                    session_id=request.session_id, tools=tools, worker_id=f"python-{id(self)}"
                ),
                timeout=SECONDS,
            )
            assert answer.success or "duplicate_tool" in answer.error_message
            registered.add(request.session_id)
        values = {name: read(packed) for name, packed in request.parameters.items()}
        headers = dict(context.invocation_metadata())
        here = {"host": self.host, "request": request, "headers": headers}
        return TOOLS[request.tool_name](here, **values, **request.binary_parameters)

    def open(self, session_id: str) -> None:
        request = bridge.InitializeSessionRequest(session_id=session_id)
        assert self.host.InitializeSession(request, timeout=SECONDS).success
        if session_id not in sessions:
            sessions[session_id] = threading.Event()
            beat = threading.Thread(target=self.beat, args=(session_id, sessions[session_id]))
            beat.daemon = True
            beat.start()

    def beat(self, session_id: str, ended: threading.Event) -> None:
        config = json.loads(os.environ["SNAKEPIT_HEARTBEAT_CONFIG"])
        is_over = not config["enabled"]
        while not is_over:
            request = bridge.HeartbeatRequest(session_id=session_id)
            assert self.host.Heartbeat(request, timeout=SECONDS).session_valid
            beats.append(session_id)
            is_over = ended.wait(config["interval_ms"] / 1000)


def chunk(tool: str, number: int, item: Any) -> bridge.ToolChunk:  # noqa: ANN401 (a tool's)
    data = item.encode() if isinstance(item, str) else json.dumps(item).encode()
    return bridge.ToolChunk(chunk_id=f"{tool}-{number}", data=data)


def read(packed: AnyMessage) -> Any:  # noqa: ANN401 (JSON)
    value = json.loads(packed.value)  # a packed message is none
    return FLOATS.get(value, value) if packed.type_url.endswith(".float") else value


def failure(error: Exception, request: Any) -> str:  # noqa: ANN401 (gRPC's)
    return json.dumps(
        {
            "type": type(error).__name__,
            "message": str(error),
            "stacktrace": ["  File ..."],
            "traceback": f"Traceback (most recent call last):\n  in the original\n{error!r}",
            "context": {"tool_name": request.tool_name, "session_id": request.session_id},
        }
    )


def packed_as_the_original_does(value: object) -> AnyMessage:
    if isinstance(value, bool | int | float):
        return AnyMessage(type_url=RAW_URL, value=json.dumps(value).encode())
    packed = AnyMessage()
    packed.Pack(StringValue(value=value if isinstance(value, str) else str(value)))
    return packed


# The tools.


def echo(_: Any, value: Any = None) -> Any:  # noqa: ANN401 (that is what it is about)
    return value


def kind(_: Any, value: Any = None) -> Any:  # noqa: ANN401 (as above)
    return [type(value).__name__, repr(value)]


def told(here: Any) -> Any:  # noqa: ANN401 (as above)
    request = here["request"]
    return {
        "argv": sys.argv[1:],
        "environment": dict(os.environ),
        "session": request.session_id,
        "metadata": dict(request.metadata),
        "header": here["headers"].get(HEADER),
        "token": here["headers"].get("x-snakepit-token"),
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "beats": beats[-20:],
        "cleaned": cleaned,
        "cwd": str(Path.cwd()),
    }


def ask(here: Any, name: str, arguments: str) -> Any:  # noqa: ANN401 (as above)
    """Calls a host tool with arguments that this writes as a literal."""
    request, host = here["request"], here["host"]
    exposed = host.GetExposedElixirTools(
        bridge.GetExposedElixirToolsRequest(session_id=request.session_id), timeout=SECONDS
    )
    values = ast.literal_eval(arguments)
    asked = bridge.ExecuteElixirToolRequest(session_id=request.session_id, tool_name=name)
    for key, value in values.items():
        asked.parameters[key].CopyFrom(packed_as_the_original_does(value))
    answer = host.ExecuteElixirTool(asked, timeout=SECONDS)
    if not answer.success:
        raise RuntimeError(answer.error_message)
    return {"value": json.loads(answer.result.value), "tools": [t.name for t in exposed.tools]}


def fail(_: Any) -> None:  # noqa: ANN401 (as above)
    raise KeyError("x")


def count(_: Any, to: int, note: str = "") -> Iterator[Any]:  # noqa: ANN401 (as above)
    try:
        for number in range(to):
            yield {"number": number}
    finally:
        if note:
            Path(note).touch()


def mixed(_: Any) -> Iterator[Any]:  # noqa: ANN401 (as above)
    yield "word"
    yield 3
    raise ValueError("in the middle")


def wait(_: Any, seconds: float) -> None:  # noqa: ANN401 (as above)
    time.sleep(seconds)


def leave(_: Any) -> None:  # noqa: ANN401 (as above)
    os._exit(0)


TOOLS: dict[str, Any] = {
    function.__name__: function
    for function in (echo, kind, told, ask, fail, count, mixed, wait, leave)
}


def main() -> None:
    known = flags()
    if known.complain:
        sys.exit("the adapter cannot be imported")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: None if known.deaf else stopped.set())
    host: Any = snakepit_bridge_pb2_grpc.BridgeServiceStub(
        grpc.insecure_channel(known.elixir_address)
    )
    assert host.Ping(bridge.PingRequest(message="connection_test"), timeout=SECONDS)
    server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    servicer = Worker(host)  # type: ignore[abstract]  # the rest: UNIMPLEMENTED
    snakepit_bridge_pb2_grpc.add_BridgeServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"[::]:{known.port}")
    server.start()
    tell_ready(port)
    stopped.wait()
    if known.note_end:
        known.note_end.touch()
    os._exit(0)


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--elixir-address")
    parser.add_argument("--note-end", type=Path)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--complain", action="store_true")
    return parser.parse_known_args()[0]


def tell_ready(port: int) -> None:
    ready = Path(os.environ["SNAKEPIT_READY_FILE"])
    half = ready.with_suffix(".half")
    half.write_text(str(port))
    half.replace(ready)


if __name__ == "__main__":
    main()
