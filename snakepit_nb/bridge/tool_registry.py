"""Which tools belong to which session: notebook functions, and tools that workers have made known.

It knows neither gRPC nor the pool; the name of a tool is taken once in each session.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from snakepit_nb.calls import ToolSpec
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import SessionId, WorkerId

log = logging.getLogger(__name__)

LONGEST_NAME = 64
MOST_ENTRIES = 32
STREAMS_KEY = "supports_streaming"
MOST_BYTES = 4096
"""Of a tool's metadata, names and values together."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTool:
    """A function of this process."""

    spec: ToolSpec
    function: Callable[..., Any]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTool:
    """A tool that lives in a worker."""

    spec: ToolSpec
    worker_id: WorkerId | None
    """The only worker that has it; None: any."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> bool:
        """Whether it yields items; some only say so in their metadata."""
        return self.spec.supports_streaming or self.metadata.get(STREAMS_KEY) in ("true", "1")


Tool = LocalTool | RemoteTool


class ToolRegistry:
    """The tools of all sessions of one pool."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, dict[str, Tool]] = {}

    def register(self, session_id: SessionId, tools: Sequence[Tool]) -> None:
        """Gives tools to a session: all of them or, where one does not fit, none.

        Raises:
            UsageError: a name or its metadata is not one, or the name is taken.
        """
        known = self._sessions.get(session_id, {})
        added: dict[str, Tool] = {}
        for tool in tools:
            name = checked_name(tool.spec.name)
            check_metadata(name, tool.metadata)
            if name in known or name in added:
                raise UsageError(
                    f"duplicate_tool: session {session_id!r} has a tool {name!r} already. End the "
                    "session first, or take another name."
                )
            added[name] = replace(tool, spec=replace(tool.spec, name=name))
        if added:
            self._sessions[session_id] = known | added

    def find(self, session_id: SessionId, name: str) -> Tool | None:
        """Returns a session's tool."""
        return self._sessions.get(session_id, {}).get(name)

    def tools_of(self, session_id: SessionId) -> tuple[Tool, ...]:
        """Returns all that a session has."""
        return tuple(self._sessions.get(session_id, {}).values())

    def cleanup_session(self, session_id: SessionId) -> int:
        """Removes a session's tools and no others; returns how many they were."""
        removed = len(self._sessions.pop(session_id, {}))
        if removed:
            log.info("session %s: %d tools removed", session_id, removed)
        return removed

    def cleanup_worker(self, worker_id: WorkerId) -> int:
        """Removes the tools that lived in a worker; returns how many they were."""
        removed = 0
        for session_id, tools in tuple(self._sessions.items()):
            left = {name: tool for name, tool in tools.items() if not _lives_in(tool, worker_id)}
            removed += len(tools) - len(left)
            self._sessions[session_id] = left
            if not left:
                del self._sessions[session_id]
        if removed:
            log.info("worker %s: %d tools removed", worker_id, removed)
        return removed


def checked_name(name: str) -> str:
    """Returns a tool's name, without space around it.

    Raises:
        UsageError: it is not one.
    """
    trimmed = name.strip()
    if not _NAME.fullmatch(trimmed):
        raise UsageError(
            f"tool {name[:LONGEST_NAME]!r}: a name has 1 to {LONGEST_NAME} letters, digits, '_', "
            "'.' and '-', and begins with a letter or digit."
        )
    return trimmed


def check_metadata(name: str, metadata: Mapping[str, str]) -> None:
    """Raises UsageError where a tool's metadata is too much."""
    if len(metadata) > MOST_ENTRIES:
        raise UsageError(
            f"tool {name!r}: {len(metadata)} entries of metadata; at most {MOST_ENTRIES} are kept."
        )
    size = sum(len(text.encode()) for entry in metadata.items() for text in entry)
    if size > MOST_BYTES:
        raise UsageError(f"tool {name!r}: {size} bytes of metadata; at most {MOST_BYTES} are kept.")


def _lives_in(tool: Tool, worker_id: WorkerId) -> bool:
    return isinstance(tool, RemoteTool) and tool.worker_id == worker_id
