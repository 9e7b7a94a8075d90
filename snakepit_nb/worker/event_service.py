"""The worker's end of `StreamTelemetry`: its events out, what controls them in."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import grpc.aio

from snakepit_nb.telemetry.event_stream import CallSoon, EventStream
from snakepit_nb.wire.event_messages import read_control, write_told

TOGETHER_SECONDS = 0.05  # what comes faster wakes the serving thread once
CONTROL_SECONDS = 0.25
"""How long what was kept waits for a toggle, which ends a control of ours: hosts need send none."""
MEMORY_SECONDS = 10.0
STATM = Path("/proc/self/statm")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # no generic at run time


async def serve_events(
    stream: EventStream, call_soon: CallSoon, controls: AsyncIterator[Any], context: Context
) -> None:
    """Sends what was kept and what comes, until the reader goes or the worker stops."""
    await context.send_initial_metadata(())  # hosts wait for it before they send a control
    async with anyio.create_task_group() as tasks:
        with stream.attached(call_soon) as reader:
            controlled = anyio.Event()
            tasks.start_soon(_take_controls, stream, controls, controlled)
            with anyio.move_on_after(CONTROL_SECONDS):
                await controlled.wait()
            tasks.start_soon(_sample_memory, stream)
            while events := await reader.take():
                for event in events:
                    await context.write(write_told(event))
                await anyio.sleep(TOGETHER_SECONDS)
        tasks.cancel_scope.cancel()


async def _take_controls(
    stream: EventStream, controls: AsyncIterator[Any], controlled: anyio.Event
) -> None:
    async for message in controls:
        stream.apply(read_control(message, stream.control))
        if message.HasField("toggle"):
            controlled.set()


async def _sample_memory(stream: EventStream) -> None:
    while memory := memory_now():
        stream.emit("python.memory.sampled", memory, {})
        await anyio.sleep(MEMORY_SECONDS)


def memory_now() -> dict[str, int]:
    """Returns the bytes of this process, where the system has a file that tells them."""
    if not STATM.exists():
        return {}
    page = os.sysconf("SC_PAGE_SIZE")
    virtual, resident = (page * int(number) for number in STATM.read_text().split()[:2])
    return {"rss_bytes": resident, "vms_bytes": virtual}
