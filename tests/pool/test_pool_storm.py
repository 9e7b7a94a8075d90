"""Many calls of which many are cancelled, at any moment: the books stay right all the while."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from random import Random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from snakepit_nb.errors import CallCancelledError, SessionBusyError
from snakepit_nb.identifiers import CallId
from snakepit_nb.pool.pool import Pool
from snakepit_nb.pool.snapshot import PoolSnapshot
from snakepit_nb.settings import Affinity, Profile
from snakepit_nb.testing import open_test_pool
from snakepit_nb.worker import Adapter, tool

from .making import a_call, a_cell, put_nowhere

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CALLS = 20_000
CALLERS = 64
WORKERS = 3
SESSIONS = ("", "", "", "red", "blue")


class Busy(Adapter):
    """Tools that take some turns of the loop. One instance serves all workers."""

    thread_safe = True

    def __init__(self) -> None:
        self.running = 0
        self.most = 0

    @tool
    async def work(self, turns: int) -> int:
        """Takes its turns."""
        with self._noted():
            for _ in range(turns):
                await checkpoint()
        return turns

    @tool
    async def emit(self, turns: int) -> AsyncIterator[int]:
        """Yields one item a turn."""
        with self._noted():
            for turn in range(turns):
                yield turn
                await checkpoint()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield
        finally:
            self.running -= 1


@pytest.mark.parametrize("threads", [None, 4])
async def test_twenty_thousand_calls_with_cancels_leave_the_ledger_balanced(
    threads: int | None, anyio_backend_name: str
) -> None:
    random = Random(f"{threads} {anyio_backend_name}")  # noqa: S311 (a storm that can be repeated)
    busy = Busy()
    left = CALLS // (2 if anyio_backend_name == "trio" else 1)  # the same code, on a slower loop
    async with open_test_pool(
        busy,
        workers=WORKERS,
        profile=Profile.PROCESS if threads is None else Profile.THREAD,
        threads=threads,
        queue_size=CALLERS,
        queue_timeout=None,
        interrupt_grace=60.0,
    ) as pool:

        async def keep_calling() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await one_call(pool, random)
                if left % 50 == 0:
                    check_books(pool.snapshot())

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(keep_calling)
        snapshot = pool.snapshot()

    assert snapshot.finished >= left
    assert [worker.load for worker in snapshot.workers] == [0] * WORKERS
    assert snapshot.queued == ()
    assert snapshot.problems == ()
    assert {worker.worker_id for worker in snapshot.workers} == {"w0", "w1", "w2"}
    assert busy.running == 0
    assert busy.most <= WORKERS * (threads or 1)
    assert busy.most > WORKERS * (threads or 1) // 2


async def one_call(pool: Pool, random: Random) -> None:
    """Makes one call of any kind, and perhaps cancels it, in one of two ways, at any moment."""
    session = random.choice(SESSIONS)
    affinity = random.choice(list(Affinity)) if session else Affinity.HINT
    turns = random.randrange(6)
    kind = random.choice(["work", "work", "emit", "cell"])
    call = a_call(kind, session=session, affinity=affinity, turns=turns)
    cell = a_cell(
        f"import anyio.lowlevel\nfor _ in range({turns}): await anyio.lowlevel.checkpoint()"
    )
    call_id = cell.call_id if kind == "cell" else call.call_id
    patience = random.randrange(12)
    async with anyio.create_task_group() as tasks:
        if patience < 4:
            tasks.start_soon(lose_patience, tasks.cancel_scope, 3 * patience)
        elif patience == 4:
            tasks.start_soon(cancel_by_id, pool, call_id, random.randrange(9))
        with suppress(SessionBusyError, CallCancelledError):
            if kind == "cell":
                await pool.run_cell(cell, put_nowhere)
            elif kind == "emit":
                await pool.stream(call, put_nowhere, timeout=None)
            else:
                await pool.call(call, timeout=None)
        tasks.cancel_scope.cancel()


async def lose_patience(scope: anyio.CancelScope, turns: int) -> None:
    for _ in range(turns):
        await checkpoint()
    scope.cancel()


async def cancel_by_id(pool: Pool, call_id: CallId, turns: int) -> None:
    for _ in range(turns):
        await checkpoint()
    await pool.cancel(call_id)


def check_books(snapshot: PoolSnapshot) -> None:
    """The ledger holds what runs, within the capacity; nobody waits for a worker that has room."""
    for worker in snapshot.workers:
        assert len(worker.calls) == worker.load <= worker.capacity
    has_room = any(worker.load < worker.capacity for worker in snapshot.workers)
    assert not (has_room and any(call.session_id is None for call in snapshot.queued))
