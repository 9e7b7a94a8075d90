"""What the portal thread opens for one pool: worker processes, gRPC to them, and the way back."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from snakepit_nb.bridge.bridge import open_bridge
from snakepit_nb.bridge.doors import Doors, open_doors
from snakepit_nb.bridge.host_tools import host_tools
from snakepit_nb.channel.channel import WorkerChannel
from snakepit_nb.channel.grpc_channel import open_grpc_channel
from snakepit_nb.channel.original_channel import open_original_channel
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.launch.original import OriginalManner
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.pool.pool import open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.home import receive

from .errands import WaitingThreads

log = logging.getLogger(__name__)

OPEN_TO_ALL = (
    "The original's workers listen on all of this machine's addresses, without a token: whoever "
    "reaches it can run their tools. Start them only where nobody else can."
)

_opened: set[Doors] = set()


@asynccontextmanager
async def open_process_pool(settings: PoolSettings) -> AsyncIterator[Doors]:
    """Opens a pool whose workers are processes of this machine, and the doors to its bridge."""
    is_open = anyio.Event()

    def connect(process: WorkerProcess) -> AbstractAsyncContextManager[WorkerChannel]:
        if settings.worker_command:
            return open_original_channel(
                address=process.announcement.address,
                worker_id=process.worker_id,
                known=doors.wire_sessions,
            )
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

    async def bridge_address() -> str:
        await is_open.wait()
        return await doors.listen_without_token()

    receive(settings.environment)
    async with (
        open_subprocess_launcher(
            sweeps=settings.rogue_cleanup,
            on_problem=note,
            on_bridge=move,
            original=OriginalManner(bridge_address),
        ) as launcher,
        open_pool(settings, launcher, connect) as pool,
        open_bridge(pool, host_tools, WaitingThreads()) as bridge,
        open_doors(bridge) as doors,
    ):
        is_open.set()
        if settings.worker_command:
            pool.note_problem(OPEN_TO_ALL)
            log.warning("pool %r: %s", settings.name, OPEN_TO_ALL)
        _opened.add(doors)
        try:
            yield doors
        finally:
            _opened.discard(doors)


def opened_doors() -> tuple[Doors, ...]:
    """Returns the doors of all pools of this process."""
    return tuple(_opened)
