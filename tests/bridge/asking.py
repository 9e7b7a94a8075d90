"""A client of the bridge as another program would write it: plain gRPC, and no code of ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from snakepit_nb.bridge.doors import Served
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_bridge_pb2_grpc

RAW = "type.googleapis.com/google.protobuf.StringValue"


class Program:
    """Asks, with a token that may be wrong, and waits."""

    def __init__(self, channel: grpc.Channel, token: str | None) -> None:
        self.stub = snakepit_bridge_pb2_grpc.BridgeServiceStub(channel)
        self.token = token

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return () if self.token is None else (("x-snakepit-token", self.token),)

    def ask(self, method: str, request: Any, timeout: float = 20) -> Any:  # noqa: ANN401 (messages)
        return getattr(self.stub, method)(request, metadata=self.headers, timeout=timeout)

    def open_session(self, session: str = "s1", **metadata: str) -> Any:  # noqa: ANN401 (a message)
        request = bridge.InitializeSessionRequest(session_id=session, metadata=metadata)
        return self.ask("InitializeSession", request)

    def call(self, tool: str, session: str = "s1", **parameters: object) -> Any:  # noqa: ANN401 (a message)
        return self.ask("ExecuteTool", call_of(tool, session, **parameters))

    def stream(self, tool: str, session: str = "s1", **parameters: object) -> Any:  # noqa: ANN401 (a call)
        return self.ask("ExecuteStreamingTool", call_of(tool, session, **parameters), timeout=60)


def call_of(tool: str, session: str, **parameters: object) -> bridge.ExecuteToolRequest:
    return bridge.ExecuteToolRequest(
        session_id=session,
        tool_name=tool,
        parameters={
            name: AnyMessage(type_url=RAW, value=json.dumps(value).encode())
            for name, value in parameters.items()
        },
    )


@contextmanager
def asking(served: Served, *, token: str | None = "", secure: bool = True) -> Iterator[Program]:
    """Connects to where a pool is served; an empty token means the right one."""
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    opened = (
        grpc.secure_channel(served.address, credentials, options=[("grpc.http2.bdp_probe", 0)])
        if secure
        else grpc.insecure_channel(served.address)
    )
    with opened as channel:
        yield Program(channel, served.token if token == "" else token)
