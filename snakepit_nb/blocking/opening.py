"""What the portal thread opens for one pool: worker processes, and gRPC to them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from snakepit_nb.channel.channel import WorkerChannel
from snakepit_nb.channel.grpc_channel import open_grpc_channel
from snakepit_nb.launch.launcher import WorkerProcess
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.pool.pool import Pool, open_pool
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.home import receive


@asynccontextmanager
async def open_process_pool(settings: PoolSettings) -> AsyncIterator[Pool]:
    """Opens a pool whose workers are processes of this machine."""

    def connect(process: WorkerProcess) -> AbstractAsyncContextManager[WorkerChannel]:
        return open_grpc_channel(
            address=process.announcement.address,
            token=process.token,
            message_bytes=settings.message_bytes,
            buffers=process.buffers,
        )

    def note(problem: str) -> None:
        pool.note_problem(problem)  # it is open by then: a problem comes of a launch

    receive(settings.environment)
    async with (
        open_subprocess_launcher(sweeps=settings.rogue_cleanup, on_problem=note) as launcher,
        open_pool(settings, launcher, connect) as pool,
    ):
        yield pool
