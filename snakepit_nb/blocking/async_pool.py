"""A pool for async code, on asyncio or trio; it lives on the portal thread all the same."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import anyio

from snakepit_nb.calls import ToolSpec
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.pool.lease import ManualLease
from snakepit_nb.pool.pool import Pool
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.home import flush

from .new_call import chosen_correlation_id
from .opening import open_process_pool
from .options import pool_settings
from .portal import portal
from .portal_task import awaited, handed_over
from .tool_calls import Caller, ToolRunner


@asynccontextmanager
async def open_pool(
    workers: int | None = None, *, adapters: Sequence[str | type] = (), **options: Any
) -> AsyncIterator["AsyncPool"]:
    """Opens a pool and waits until its workers serve; behind the `async with` none is left.

    Leaving it in good order lets the calls that run finish. Options are those of `start`.

    Raises:
        UsageError: an option makes no sense.
        WorkerStartError: no worker got ready.
    """
    settings = pool_settings(workers, adapters=adapters, **options)
    scope = portal().open(open_process_pool(settings))
    doors = await anyio.to_thread.run_sync(scope.__enter__)
    pool = doors.bridge.pool
    try:
        await awaited(pool.wait_serving)
        yield AsyncPool(pool.settings, pool)
        await awaited(pool.wait_idle)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(scope.__exit__, None, None, None)
            await anyio.to_thread.run_sync(flush)


class AsyncToolCalls(Caller):
    """Tools, called and streamed from async code: on a pool, or on a lease of a worker."""

    def __init__(self, settings: PoolSettings, runner: ToolRunner) -> None:
        self.settings = settings
        self._runner = runner

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        affinity: str | None = None,
        **more: object,
    ) -> Any:
        """Runs a tool and returns its value. Cancelling it stops the tool.

        Args and Raises: as the blocking pool's `call`.
        """
        call = self._new_call(tool, {**(arguments or {}), **more}, session, affinity)
        limit = self.settings.call_timeout if timeout == -1.0 else timeout
        return (await awaited(partial(self._runner.call, call, timeout=limit))).value

    async def stream(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        timeout: float | None = -1.0,
        session: str | None = None,
        affinity: str | None = None,
        **more: object,
    ) -> AsyncGenerator[Any]:
        """Runs a streaming tool; yields its items as they come. Closing it stops the tool.

        Args and Raises: as the blocking pool's `stream`.
        """
        call = self._new_call(tool, {**(arguments or {}), **more}, session, affinity)
        limit = self.settings.stream_timeout if timeout == -1.0 else timeout
        work = partial(self._runner.stream, call, timeout=limit)
        async with aclosing(handed_over(work)) as chunks:
            async for chunk in chunks:
                if not chunk.is_final:
                    yield chunk.data


class AsyncPool(AsyncToolCalls):
    """A running pool. Made by `open_pool`."""

    def __init__(self, settings: PoolSettings, pool: Pool) -> None:
        super().__init__(settings, pool)
        self._pool = pool

    def __repr__(self) -> str:
        return f"<AsyncPool {self.settings.name!r}>"

    @asynccontextmanager
    async def lease(self, worker: str | None = None) -> AsyncIterator["AsyncLease"]:
        """Books a share of a worker, the given one or the least loaded, for calls one by one.

        Raises:
            QueueTimeoutError: no share was free in time.
            PoolError: there is no such worker.
        """
        wanted = None if worker is None else WorkerId(worker)
        scope = portal().open(self._pool.lease(chosen_correlation_id(None), wanted))
        taken = await anyio.to_thread.run_sync(scope.__enter__)
        try:
            yield AsyncLease(self.settings, taken)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(scope.__exit__, None, None, None)

    async def tools(self) -> dict[str, ToolSpec]:
        """Returns what its workers offer, by name."""
        return {spec.name: spec for spec in (await self.status()).tools}

    async def status(self) -> PoolSnapshot:
        """Returns what the pool looks like now."""

        async def snapshot() -> PoolSnapshot:
            return self._pool.snapshot()

        return await awaited(snapshot)


class AsyncLease(AsyncToolCalls):
    """A share of one worker, which runs one call after the other. Made by `AsyncPool.lease`."""

    def __init__(self, settings: PoolSettings, lease: ManualLease) -> None:
        super().__init__(settings, lease)
        self.worker_id: str = lease.worker_id

    def __repr__(self) -> str:
        return f"<AsyncLease of pool {self.settings.name!r} on {self.worker_id}>"
