"""Starts workers that are nothing but objects."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.launch.launcher import LaunchSpec
from snakepit_nb.worker.tool_host import ToolHost, load_adapter

from .in_process_worker import InProcessWorker

BeforeLaunch = Callable[[LaunchSpec], Awaitable[None]]


@asynccontextmanager
async def open_in_process_launcher(
    *adapters: object, before_launch: BeforeLaunch | None = None
) -> AsyncIterator["InProcessLauncher"]:
    """Opens a launcher of workers with these adapters (classes or instances).

    `before_launch` is awaited ahead of each launch: it may take its time, or raise
    WorkerStartError.
    """
    async with anyio.create_task_group() as tasks:
        launcher = InProcessLauncher(tasks, adapters, before_launch)
        try:
            yield launcher
        finally:
            await launcher.aclose()


class InProcessLauncher:
    """The launcher's twin. `workers` are all that it has started, also those that have ended."""

    def __init__(
        self,
        tasks: TaskGroup,
        adapters: tuple[object, ...],
        before_launch: BeforeLaunch | None,
    ) -> None:
        self.workers: list[InProcessWorker] = []
        self._tasks = tasks
        self._adapters = adapters
        self._before_launch = before_launch
        self._is_closed = False

    async def launch(self, spec: LaunchSpec) -> InProcessWorker:
        """Makes one worker.

        Raises:
            WorkerStartError: an adapter or `before_launch` raised, or the launcher is closed.
        """
        if self._is_closed:
            raise WorkerStartError("The launcher is closed; start the pool again.")
        if self._before_launch is not None:
            await self._before_launch(spec)
        try:
            host = ToolHost(
                [
                    *(each() if isinstance(each, type) else each for each in self._adapters),
                    *(load_adapter(source) for source in spec.adapters),
                ],
                spec.profile,
            )
        except Exception as error:
            raise WorkerStartError(
                f"Worker {spec.worker_id} did not start: {type(error).__name__}: {error}"
            ) from error
        worker = InProcessWorker(spec.worker_id, host, self._tasks, capacity=spec.threads)
        self.workers.append(worker)
        return worker

    async def aclose(self) -> None:
        """Kills what still runs."""
        self._is_closed = True
        for worker in self.workers:
            await worker.kill()
