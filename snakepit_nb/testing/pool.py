"""A whole pool over in-process workers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from snakepit_nb.pool.pool import Pool, open_pool
from snakepit_nb.settings import PoolSettings

from .direct_channel import open_direct_channel
from .in_process_launcher import InProcessLauncher, open_in_process_launcher


@asynccontextmanager
async def open_test_pool(
    *adapters: object,
    workers: int = 1,
    launcher: InProcessLauncher | None = None,
    **settings: object,
) -> AsyncIterator[Pool]:
    """Opens a pool over workers that live in this process, and waits until they serve.

    Args:
        adapters: Adapter classes, of which each worker makes its own instances; or instances, which
            all workers share and a test can look into.
        workers: How many.
        launcher: Starts the workers, for a test that crashes them; then give it the adapters.
        settings: Further fields of `PoolSettings`.
    """
    async with AsyncExitStack() as opened:
        if launcher is None:
            launcher = await opened.enter_async_context(open_in_process_launcher(*adapters))
        pool = await opened.enter_async_context(
            open_pool(
                PoolSettings(workers=workers, **settings),  # type: ignore[arg-type]  # as they are
                launcher,
                open_direct_channel,
            )
        )
        await pool.wait_ready()
        yield pool
