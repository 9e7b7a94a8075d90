"""A pool of workers: it carries out what the scheduler decides, on one event loop."""

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.calls import CellCall, CellReply, ToolCall, ToolChunk, ToolResult, ToolSpec
from snakepit_nb.channel.channel import PutCellEvent
from snakepit_nb.errors import (
    CallCancelledError,
    PoolClosedError,
    WorkerCrashedError,
    WorkerError,
    WorkerStartError,
)
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import Launcher, WorkerExit
from snakepit_nb.scheduling.decisions import (
    Decision,
    GrantLease,
    RefuseCall,
    StartWorker,
    StopWorker,
)
from snakepit_nb.scheduling.events import (
    CallEnded,
    CallSubmitted,
    Event,
    PoolResized,
    SessionEnded,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
)
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.scheduling.snapshot import WorkerState
from snakepit_nb.settings import PoolSettings

from .launch_spec import launch_spec
from .pending_call import PendingCall, refusal_error
from .running_call import bounded, gone_before_error, interrupted_after
from .snapshot import PoolSnapshot, pool_snapshot
from .supervisor import Connect, LiveWorker, open_worker

log = logging.getLogger(__name__)

REMEMBERED_PROBLEMS = 20


@asynccontextmanager
async def open_pool(
    settings: PoolSettings, launcher: Launcher, connect: Connect
) -> AsyncIterator["Pool"]:
    """Opens a pool and starts its workers; `Pool.wait_ready` tells when they serve.

    Behind the `async with` no worker is left. What still runs then is told `PoolClosedError`.
    """
    async with anyio.create_task_group() as tasks:
        pool = Pool(settings, launcher, connect, tasks)
        try:
            pool.resize(settings.workers)
            yield pool
        finally:
            with anyio.CancelScope(shield=True):
                await pool.aclose()
            tasks.cancel_scope.cancel()


class Pool:
    """Runs calls on workers. Made by `open_pool`."""

    def __init__(
        self, settings: PoolSettings, launcher: Launcher, connect: Connect, tasks: TaskGroup
    ) -> None:
        self.settings = settings
        self._launcher = launcher
        self._connect = connect
        self._tasks = tasks
        self._scheduler = Scheduler(queue_size=settings.queue_size)
        self._calls: dict[CallId, PendingCall] = {}
        self._workers: dict[WorkerId, LiveWorker] = {}
        self._problems: deque[str] = deque(maxlen=REMEMBERED_PROBLEMS)
        self._starting = anyio.Semaphore(settings.start_batch)
        self._changed = anyio.Event()
        self._is_closed = False
        self._finished = 0
        self._last_correlation_id: CorrelationId | None = None

    def __repr__(self) -> str:
        ledger = self._scheduler.snapshot()
        return (
            f"<Pool {self.settings.name!r} {len(ledger.workers)} workers, "
            f"load {ledger.load}/{ledger.capacity}, {len(ledger.queued)} queued>"
        )

    async def wait_ready(self) -> None:
        """Returns when each worker serves or has failed to start.

        Raises:
            WorkerStartError: none serves; the message is the last one's.
        """
        await self._until(lambda: not self._count(WorkerState.STARTING))
        if not self._count(WorkerState.READY):
            raise WorkerStartError(self._problems[-1] if self._problems else "No worker started.")

    async def wait_idle(self) -> None:
        """Returns when no call waits or runs."""
        await self._until(lambda: not self._calls)

    def resize(self, workers: int) -> None:
        """Starts or drains workers until there are this many."""
        self._tell(PoolResized(workers=workers))

    async def call(self, call: ToolCall, *, timeout: float | None) -> ToolResult:
        """Runs a tool; `timeout` seconds at most once it runs.

        Raises:
            ToolError: the tool raised.
            UsageError: the call does not fit the tool.
            PoolError: it was not run, or ran for too long.
            SessionLostError: its session's state is gone.
            WorkerCrashedError: the worker ended while it ran.
        """
        async with (
            self._lease(call, call.tool_name, self.settings.queue_timeout) as worker,
            bounded(worker, self._calls[call.call_id], timeout, self.settings.interrupt_grace),
        ):
            return await worker.channel.call(call)
        raise AssertionError("unreachable")  # mypy: `bounded` might swallow, for all it knows

    async def stream(
        self,
        call: ToolCall,
        put: Callable[[ToolChunk], Awaitable[None]],
        *,
        timeout: float | None,
    ) -> None:
        """Runs a streaming tool and puts out its chunks, the final one included.

        Raises: as `call`.
        """
        async with (
            self._lease(call, call.tool_name, self.settings.queue_timeout) as worker,
            bounded(worker, self._calls[call.call_id], timeout, self.settings.interrupt_grace),
            # Closed here, whatever ends `put`: the tool runs until its stream is closed.
            aclosing(worker.channel.stream(call)) as chunks,
        ):
            async for chunk in chunks:
                await put(chunk)

    async def run_cell(
        self,
        cell: CellCall,
        put: PutCellEvent,
        *,
        timeout: float | None = None,
    ) -> CellReply:
        """Runs a cell and puts out what it shows. An error of its code is in the reply.

        Raises: as `call`, but for ToolError.
        """
        async with (
            self._lease(cell, "cell", None) as worker,
            bounded(worker, self._calls[cell.call_id], None, self.settings.interrupt_grace),
            interrupted_after(
                worker, self._calls[cell.call_id], timeout, self.settings.interrupt_grace
            ),
        ):
            return await worker.channel.run_cell(cell, put)
        raise AssertionError("unreachable")

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs, or takes a call out of the queue."""
        call = self._calls.get(call_id)
        if call is None:
            return
        worker = None if call.worker_id is None else self._workers.get(call.worker_id)
        if worker is None:
            call.refuse(
                CallCancelledError(
                    "The call was taken out of the queue.", correlation_id=call.correlation_id
                )
            )
        else:
            await worker.channel.interrupt(call_id)

    async def kill(self, call_id: CallId, because: str) -> None:
        """Kills the worker that runs a call. Another takes its place."""
        call = self._calls.get(call_id)
        if call is None or call.worker_id is None:
            return
        worker = self._workers.get(call.worker_id)
        if worker is not None:
            await worker.kill(because)

    async def end_session(self, session_id: SessionId) -> int:
        """Lets a session go; returns how much of it its worker has freed, once that has."""
        homes = (
            self._workers.get(worker.worker_id)
            for worker in self._scheduler.snapshot().workers
            if session_id in worker.sessions
        )
        home = next(homes, None)
        self._tell(SessionEnded(session_id=session_id))
        if home is None:
            return 0
        try:
            return await home.channel.end_session(session_id)
        except WorkerCrashedError:
            return 0  # what it held is gone with it

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What the workers offer."""
        for worker in self._workers.values():
            return worker.tools
        return ()

    def snapshot(self) -> PoolSnapshot:
        """Returns what an observer may see now."""
        return pool_snapshot(
            name=self.settings.name,
            ledger=self._scheduler.snapshot(),
            calls=self._calls,
            pids={worker_id: worker.process.pid for worker_id, worker in self._workers.items()},
            tools=self.tools,
            finished=self._finished,
            last_correlation_id=self._last_correlation_id,
            problems=tuple(self._problems),
            now=time.monotonic(),
        )

    async def aclose(self) -> None:
        """Refuses what waits and stops all workers."""
        self._is_closed = True
        for call in self._calls.values():
            if call.worker_id is None:
                call.refuse(self._closed_error(call.correlation_id))
        self.resize(0)
        for worker in self._workers.values():
            worker.stop_soon()
        await self._until(lambda: not self._workers)

    @asynccontextmanager
    async def _lease(
        self, call: ToolCall | CellCall, what: str, queue_timeout: float | None
    ) -> AsyncIterator[LiveWorker]:
        """Books a share of one worker, from the scheduler's decision to the call's end."""
        if self._is_closed:
            raise self._closed_error(call.correlation_id)
        worker: LiveWorker | None = None
        pending = PendingCall.of(call, what, time.monotonic())
        self._calls[call.call_id] = pending
        self._last_correlation_id = call.correlation_id
        try:
            self._tell(
                CallSubmitted(
                    call_id=call.call_id, session_id=call.session_id, affinity=call.affinity
                )
            )
            worker = self._workers.get(await pending.granted(queue_timeout))
            if worker is None:
                raise gone_before_error(pending)
            yield worker
        finally:
            del self._calls[call.call_id]
            self._finished += 1
            if worker is not None and worker.is_gone:
                # Before its share is free, lest the next call be sent to a dead worker.
                self._tell(WorkerLost(worker_id=worker.worker_id))
            self._tell(CallEnded(call_id=call.call_id))

    def _tell(self, event: Event) -> None:
        """Lets the scheduler decide and carries it out, with no await between the two."""
        for decision in self._scheduler.handle(event, time.monotonic()):
            self._carry_out(decision)
        self._changed.set()
        self._changed = anyio.Event()

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case StartWorker():
                self._tasks.start_soon(self._supervise, decision.worker_id)
            case StopWorker():
                worker = self._workers.get(decision.worker_id)
                if worker is not None:
                    worker.stop_soon()
            case GrantLease():
                self._calls[decision.call_id].accept(decision.worker_id)
            case RefuseCall():
                call = self._calls[decision.call_id]
                call.refuse(
                    refusal_error(
                        decision.reason,
                        pool=self.settings.name,
                        problems=tuple(self._problems),
                        correlation_id=call.correlation_id,
                    )
                )
            case _:
                assert_never(decision)

    async def _supervise(self, worker_id: WorkerId) -> None:
        """Attends one worker for its whole life."""
        spec = launch_spec(self.settings, worker_id)
        try:
            async with open_worker(spec, self._launcher, self._connect, self._starting) as worker:
                self._workers[worker_id] = worker
                capacity = worker.process.announcement.capacity
                self._tell(WorkerReady(worker_id=worker_id, capacity=capacity))
                self._note_end(worker, await worker.live(self.settings.stop_grace))
        except WorkerError as error:
            self._problems.append(str(error))
            self._tell(WorkerFailed(worker_id=worker_id))
        finally:
            self._workers.pop(worker_id, None)
            self._tell(WorkerLost(worker_id=worker_id))

    def _note_end(self, worker: LiveWorker, ended: WorkerExit) -> None:
        if worker.ended_because:
            log.info("worker %s ended: %s", worker.worker_id, worker.ended_because)
            return
        log.warning("worker %s ended by itself with %s", worker.worker_id, ended)
        self._problems.append(f"Worker {worker.worker_id} ended by itself with {ended}.")

    def _count(self, state: WorkerState) -> int:
        return sum(worker.state is state for worker in self._scheduler.snapshot().workers)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _closed_error(self, correlation_id: CorrelationId) -> PoolClosedError:
        return PoolClosedError(
            f"Pool {self.settings.name!r} is stopped. Start it again: %snakepit start.",
            correlation_id=correlation_id,
        )
