"""Calls of tools, and the workers that are launched for them."""

import sys
from itertools import count
from pathlib import Path

from snakepit_nb.calls import ToolCall
from snakepit_nb.identifiers import CallId, CorrelationId, WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.settings import AdapterSource, Profile

MESSAGE_BYTES = 1024 * 1024
numbers = count(1)
shared_id: CorrelationId | None = None
"""That of all calls, as in one cell, where a test sets it."""


def a_call(tool: str, **parameters: object) -> ToolCall:
    number = next(numbers)
    return ToolCall(
        call_id=CallId(f"call-{number}"),
        correlation_id=shared_id or CorrelationId(f"sp-{number:024x}"),
        tool_name=tool,
        parameters=parameters,
    )


def a_worker(
    beside: str, *adapters: str, threads: int = 1, message_bytes: int = MESSAGE_BYTES
) -> LaunchSpec:
    """Says what to launch; the adapters' modules are beside the file of that name."""
    here = str(Path(beside).parent)
    return LaunchSpec(
        worker_id=WorkerId(f"w{next(numbers)}"),
        pool="tests",
        python=sys.executable,
        cwd=here,
        sys_path=(here, *sys.path),
        adapters=tuple(AdapterSource(name=name) for name in adapters),
        profile=Profile.PROCESS if threads == 1 else Profile.THREAD,
        threads=threads,
        message_bytes=message_bytes,
        ready_timeout=30,
    )
