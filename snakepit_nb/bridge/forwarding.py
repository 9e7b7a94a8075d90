"""Tools that other programs call and stream through the kernel, in the pool that has them."""

import time
from collections.abc import Mapping
from dataclasses import replace

from snakepit_nb.calls import NO_ORIGIN, ToolCall, ToolChunk, ToolResult
from snakepit_nb.errors import SessionNotFoundError, UsageError, nearest
from snakepit_nb.identifiers import SessionId
from snakepit_nb.pool.lease import PutChunk
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.telemetry.origins import origin_here, within

from .bridge import Bridge
from .tool_registry import LocalTool, RemoteTool, Tool

TIMEOUT_KEY = "timeout_ms"
SYNTHETIC_KEY = "synthetic_final"
SYNTHETIC = "sp-final"
"""The name of the final chunk that we make, where the worker has sent none."""


class ToolNotFoundError(UsageError):
    """There is no tool of that name in the session."""


class NotStreamingError(UsageError):
    """The tool is there, and cannot be streamed through the kernel."""


class Forwarding:
    """Finds and runs the tools of one pool, and its host tools."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def find(self, session_id: SessionId, name: str) -> Tool:
        """Returns a tool of a session: one that was registered, a host tool, or a worker's.

        Raises:
            SessionNotFoundError: there is no such session.
            ToolNotFoundError: there is no such tool in it.
        """
        bridge = self._bridge
        if not bridge.knows_session(session_id):
            raise SessionNotFoundError(
                f"There is no session {session_id!r}: call InitializeSession before."
            )
        found = bridge.registry.find(session_id, name) or bridge.tools.find(name)
        if found is not None:
            return found
        offered = {spec.name: spec for spec in bridge.tools_in(session_id)}
        if name not in offered:
            raise ToolNotFoundError(f"There is no tool {name!r}: {nearest(name, offered)}")
        return RemoteTool(spec=offered[name], worker_id=None)

    def find_streaming(self, session_id: SessionId, name: str) -> RemoteTool:
        """As `find`, of those that stream.

        Raises:
            NotStreamingError: it does not, or is a function of the notebook.
        """
        found = self.find(session_id, name)
        if isinstance(found, LocalTool) or not found.streams:
            raise NotStreamingError(f"Tool {name!r} cannot be streamed: use ExecuteTool.")
        return found

    async def call(self, call: ToolCall, timeout: float | None) -> ToolResult:
        """Runs a tool. Raises: as the pool's `call`."""
        pool = self._bridge.pool
        limit = pool.settings.call_timeout if timeout is None else timeout
        return await pool.call(call, timeout=limit)

    async def stream(self, call: ToolCall, put: PutChunk, timeout: float | None) -> None:
        """Streams a tool chunk by chunk, as fast as `put` takes them; the last one is final.

        Raises: as the pool's `stream`, and what `put` raises.
        """
        pool, begun, sent, has_ended = self._bridge.pool, time.monotonic(), 0, False

        async def forward(chunk: ToolChunk) -> None:
            nonlocal sent, has_ended
            if chunk.is_final:
                has_ended = True
                about = self._about(call, begun)
                chunk = replace(chunk, metadata={**about, **chunk.metadata})
            sent += 1
            await put(chunk)

        limit = pool.settings.stream_timeout if timeout is None else timeout
        await pool.stream(call, forward, timeout=limit)
        if not has_ended:
            about = self._about(call, begun) | {
                SYNTHETIC_KEY: "true",
                "chunks_sent": str(sent),
            }
            await put(ToolChunk(number=sent + 1, data=None, is_final=True, metadata=about))

    def prepared(self, call: ToolCall, tool: RemoteTool, traceparent: str) -> ToolCall:
        """Makes a call that came in one of ours, with all its metadata."""
        settings = self._bridge.pool.settings
        with within(traceparent):
            origin = origin_here(call.correlation_id) if settings.telemetry else NO_ORIGIN
        return replace(
            call,
            call_id=new_call_id(),
            worker_id=tool.worker_id,
            affinity=settings.affinity,
            origin=origin,
        )

    def _about(self, call: ToolCall, begun: float) -> dict[str, str]:
        about = {
            "execution_time_ms": str(round((time.monotonic() - begun) * 1000)),
            "tool_type": "remote",
        }
        worker_id = self._bridge.pool.worker_of_call(call.call_id)
        return about if worker_id is None else {**about, "worker_id": worker_id}


def timeout_of(metadata: Mapping[str, str], seconds_left: float | None) -> float | None:
    """Returns how long a call may take: by its metadata, or by the deadline of who asks.

    Raises:
        UsageError: the metadata has no number there.
    """
    text = metadata.get(TIMEOUT_KEY)
    if text is None:
        return seconds_left
    try:
        seconds = int(text) / 1000
    except ValueError:
        raise UsageError(f"{TIMEOUT_KEY} {text[:40]!r}: give a number of milliseconds.") from None
    if seconds <= 0:
        raise UsageError(f"{TIMEOUT_KEY} {text[:40]!r}: give a number above 0.")
    return seconds if seconds_left is None else min(seconds, seconds_left)
