"""One worker from its launch to its end."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio

from snakepit_nb.calls import ToolSpec
from snakepit_nb.channel.channel import WorkerChannel
from snakepit_nb.identifiers import SessionId
from snakepit_nb.launch.launcher import Launcher, LaunchSpec, WorkerExit, WorkerProcess
from snakepit_nb.observations import worker_name
from snakepit_nb.scheduling.health import Illness

STOPPED = "it was stopped"

Attend = Callable[[], Coroutine[Any, Any, None]]
Connect = Callable[[WorkerProcess], AbstractAsyncContextManager[WorkerChannel]]


class LiveWorker:
    """A worker that can take calls, or could until a moment ago."""

    def __init__(
        self,
        spec: LaunchSpec,
        process: WorkerProcess,
        channel: WorkerChannel,
        tools: tuple[ToolSpec, ...],
    ) -> None:
        self.worker_id = spec.worker_id
        self.name = worker_name(spec.pool, spec.worker_id)
        """What it is called where the workers of several pools are shown."""
        self.process = process
        self.channel = channel
        self.tools = tools
        self.since = time.monotonic()
        self.ended_because = ""
        """What the pool itself ended it for; empty where it did not."""
        self.was_to_end = False
        """Whether somebody wanted that, and it was for no fault of its own."""
        self.is_gone = False
        """Whether it can take no call any more, known before its process is reaped."""
        self.illness: Illness | None = None
        """Why it gets no calls but those that nobody else can run."""
        self.tainted_until = 0.0
        self.calls = 0
        """How many it was given."""
        self.is_due = False
        """Whether another is being started in its place."""
        self.kept_for: tuple[SessionId, ...] = ()
        """The sessions for whose sake it was not replaced, as last told."""
        self.counted_load: int | None = None
        """How many calls it says it holds, where it is asked (strategy `hybrid`)."""
        self._stop_wanted = anyio.Event()

    def __repr__(self) -> str:
        return f"<LiveWorker {self.worker_id} pid {self.process.pid}>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def capacity(self) -> int:
        """How many calls it can hold."""
        return self.process.announcement.capacity

    def stop_soon(self) -> None:
        """Lets the supervisor stop it in good order."""
        self._stop_wanted.set()

    async def kill(self, because: str, *, is_fault: bool = True) -> WorkerExit:
        """Kills it, for a fault of its own or a wish, and returns once it has ended."""
        self.is_gone = True
        self.was_to_end |= not is_fault
        self.ended_because = self.ended_because or because
        return await self.process.kill()

    async def live(self, stop_grace: float, *attend: Attend) -> WorkerExit:
        """Returns when the process has ended, by itself or as `stop_soon` wanted.

        Each `attend` is awaited meanwhile; it must not raise.
        """

        async def stop_when_wanted() -> None:
            await self._stop_wanted.wait()
            self.ended_because, self.was_to_end = STOPPED, True
            await self.process.stop(stop_grace)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_when_wanted)
            for each in attend:
                tasks.start_soon(each)
            ended = await self.process.wait()
            tasks.cancel_scope.cancel()
        return ended


@asynccontextmanager
async def open_worker(
    spec: LaunchSpec, launcher: Launcher, connect: Connect, starting: anyio.Semaphore
) -> AsyncIterator[LiveWorker]:
    """Starts a worker and the way to it; nothing is left of either behind the `async with`.

    `starting` bounds how many launches go on at once.

    Raises:
        WorkerStartError: it did not get ready.
    """
    async with starting:
        process = await launcher.launch(spec)
    try:
        async with connect(process) as channel:
            yield LiveWorker(spec, process, channel, await channel.tools())
    finally:
        with anyio.CancelScope(shield=True):
            await process.kill()
