"""Calls, and what to launch for them."""

import sys
from itertools import count
from pathlib import Path

from snakepit_nb.calls import ToolCall
from snakepit_nb.identifiers import CallId, CorrelationId, WorkerId
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.settings import AdapterSource, Profile

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


def a_worker(adapter: str, *, threads: int = 1, message_bytes: int) -> LaunchSpec:
    here = str(Path(__file__).parent)
    return LaunchSpec(
        worker_id=WorkerId(f"w{next(numbers)}"),
        pool="channels",
        python=sys.executable,
        cwd=here,
        sys_path=(here, *sys.path),
        adapters=(AdapterSource(name=adapter),),
        profile=Profile.PROCESS if threads == 1 else Profile.THREAD,
        threads=threads,
        message_bytes=message_bytes,
        ready_timeout=30,
    )
