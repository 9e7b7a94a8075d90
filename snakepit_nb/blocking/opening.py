"""What the portal thread opens for one pool: worker processes, gRPC to them, and the way back."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from snakepit_nb.bridge.bridge import open_bridge
from snakepit_nb.bridge.doors import Doors, open_doors
from snakepit_nb.bridge.host_tools import host_tools
from snakepit_nb.channel.channel import WorkerChannel
from snakepit_nb.channel.grpc_channel import open_grpc_channel
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.pool.pool import open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.home import receive

from .errands import WaitingThreads

_opened: set[Doors] = set()


@asynccontextmanager
async def open_process_pool(settings: PoolSettings) -> AsyncIterator[Doors]:
    """Opens a pool whose workers are processes of this machine, and the doors to its bridge."""
    is_open = anyio.Event()

    def connect(process: WorkerProcess) -> AbstractAsyncContextManager[WorkerChannel]:
        return open_grpc_channel(
            address=process.announcement.address,
            token=process.token,
            message_bytes=settings.message_bytes,
            buffers=process.buffers,
        )

    # Called by a launch: the pool is open by then, and the rest soon.

    def note(problem: str) -> None:
        pool.note_problem(problem)

    async def move(socket: Path) -> None:
        await is_open.wait()
        await doors.move_to(socket)

    receive(settings.environment)
    async with (
        open_subprocess_launcher(
            sweeps=settings.rogue_cleanup, on_problem=note, on_bridge=move
        ) as launcher,
        open_pool(settings, launcher, connect) as pool,
        open_bridge(pool, host_tools, WaitingThreads()) as bridge,
        open_doors(bridge) as doors,
    ):
        is_open.set()
        _opened.add(doors)
        try:
            yield doors
        finally:
            _opened.discard(doors)


def opened_doors() -> tuple[Doors, ...]:
    """Returns the doors of all pools of this process."""
    return tuple(_opened)
