"""What the tests of traces and logs ask workers to do, and what came to these on the wire."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from snakepit_nb.wire.generated.snakepit_bridge_pb2 import ExecuteToolRequest
from snakepit_nb.worker import Adapter, current_call, tool
from snakepit_nb.worker.bundle_service import BundleService
from snakepit_nb.worker.cell_service import CellService
from snakepit_nb.worker.tool_service import ToolService

log = logging.getLogger("traced")

Serve = Callable[[Any, Any, Any], Awaitable[Any]]

_wire: dict[str, dict[str, list[str]]] = {}
"""By call id, what the headers and the metadata of its request were."""


def _tapped(serve: Serve) -> Serve:
    async def tapped(service: Any, request: Any, context: Any) -> Any:  # noqa: ANN401 (gRPC's)
        headers = [(key.lower(), value) for key, value in context.invocation_metadata()]
        _wire[request.metadata["snakepit_call_id"]] = {
            "header": [value for key, value in headers if key == "x-snakepit-correlation-id"],
            "metadata": [request.metadata["correlation_id"]],
            "parent": [value for key, value in headers if key == "traceparent"],
        }
        return await serve(service, request, context)

    return tapped


class _Tapped:
    """The context of an exchange; notes what it reads."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 (gRPC's)
        self._context = context
        self.write = context.write
        self.invocation_metadata = context.invocation_metadata

    async def read(self) -> object:
        bundle = await self._context.read()
        for call in getattr(bundle, "calls", ()):  # none at the end
            self._note(call)
        return bundle

    def _note(self, call: Any) -> None:  # noqa: ANN401 (gRPC's)
        metadata = ExecuteToolRequest.FromString(call.request).metadata
        mine = metadata["correlation_id"]
        headers = [(key.lower(), value) for key, value in self.invocation_metadata()]
        together = [value for key, value in headers if key == "x-snakepit-correlation-id"]
        _wire[metadata["snakepit_call_id"]] = {
            "header": [value for value in together if value == mine],
            "metadata": [mine],
            "parent": [value for key, value in call.headers.items() if key == "traceparent"],
        }


def _tapped_exchange(serve: Serve) -> Serve:
    async def tapped(service: Any, bundles: Any, context: Any) -> Any:  # noqa: ANN401 (gRPC's)
        return await serve(service, bundles, _Tapped(context))

    return tapped


# An adapter is loaded before its worker serves.
for _service, _name in (
    (ToolService, "ExecuteTool"),
    (ToolService, "ExecuteStreamingTool"),
    (CellService, "RunCell"),
):
    setattr(_service, _name, _tapped(getattr(_service, _name)))
BundleService.ExecuteTools = _tapped_exchange(BundleService.ExecuteTools)  # type: ignore[assignment, method-assign]


def seen(mark: str, meeting: str = "", of: int = 1) -> dict[str, list[str]]:
    """Logs, meets those that run at the same time, logs again; tells what its request carried."""
    call = current_call()
    log.warning("begins %s", mark)
    if meeting:
        _meet(Path(meeting), mark, of)
    log.warning("ends %s", mark)
    return {**_wire[call.call_id], "context": [call.correlation_id]}


def _meet(place: Path, mark: str, of: int) -> None:
    (place / mark).touch()
    deadline = time.monotonic() + 15
    while len(list(place.iterdir())) < of:
        assert time.monotonic() < deadline
        time.sleep(0.002)


class TracedTools(Adapter):
    thread_safe = True

    @tool
    def seen(self, mark: str, meeting: str = "", of: int = 1) -> dict[str, list[str]]:
        return {**seen(mark, meeting, of), "mirror": [self.context.metadata["correlation_id"]]}

    @tool
    def stream_seen(self, mark: str) -> Iterator[dict[str, list[str]]]:
        for number in range(2):
            yield seen(f"{mark}-{number}")

    @tool
    def work(self, seconds: float) -> None:
        time.sleep(seconds)

    @tool
    def fail(self) -> None:
        raise ValueError("bad")

    @tool
    def count(self, to: int, seconds: float = 0.0) -> Iterator[int]:
        for number in range(to):
            time.sleep(seconds / to)
            yield number

    @tool
    def crash(self) -> None:
        os._exit(3)

    @tool
    def go_on(self) -> None:
        """Runs for ever, whoever interrupts it."""
        while True:
            with suppress(KeyboardInterrupt):
                time.sleep(60)

    @tool
    def whole(self, number: int) -> int:
        return number

    @tool
    def modules(self) -> list[str]:
        return list(sys.modules)

    @tool
    def tell(self, text: str) -> None:
        """Tells a text in all ways there are, and fails with it."""
        log.error("it is %s", text)
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        subprocess.run(["/bin/sh", "-c", f"echo {text} by a child >&2"], check=True)
        raise ValueError(text)
