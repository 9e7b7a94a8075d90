"""A pool of workers: it runs calls where its scheduler decides, on one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio

from snakepit_nb.calls import (
    CallPlace,
    CellCall,
    CellReply,
    ClearOutput,
    CodePosition,
    Completion,
    InputReply,
    MimeBundle,
    StreamText,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.channel.channel import PutCellEvent
from snakepit_nb.errors import UsageError, WorkerCrashedError, WorkerError, WorkerStartError
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import Launcher
from snakepit_nb.observations import EventControl
from snakepit_nb.scheduling.events import (
    CallSubmitted,
    PoolResized,
    SessionEnded,
    WorkerRetired,
)
from snakepit_nb.scheduling.snapshot import WorkerState
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.telemetry.metrics import metrics
from snakepit_nb.wire.gate import is_same_token

from .comms import Comms
from .dispatch import Dispatch, SessionWatcher
from .ending import Ending
from .lease import Lease, ManualLease, PutChunk
from .loss import Loss, again_words
from .pending_call import PendingCall
from .place import place_of
from .reading import pool_reading, snapshot_of, tools_of
from .share import Share
from .snapshot import PoolSnapshot
from .supervisor import Connect, LiveWorker

QUESTION_SECONDS = 2.0
"""How long a front end that completes or inspects code is made to wait at most.

A session's first completion takes the longest, because it loads what completes.
"""


@asynccontextmanager
async def open_pool(
    settings: PoolSettings, launcher: Launcher, connect: Connect
) -> AsyncIterator["Pool"]:
    """Opens a pool and starts its workers; `Pool.wait_ready` tells when they serve.

    Behind the `async with` no worker is left. What still runs then is told `PoolClosedError`.
    """
    async with anyio.create_task_group() as tasks:
        dispatch = Dispatch(settings, launcher, connect, tasks)
        pool = Pool(settings, dispatch)
        tasks.start_soon(dispatch.watch_sessions)
        tasks.start_soon(dispatch.worker_events.watch)
        dispatch.worker_telling.pool_started()
        try:
            dispatch.tell(PoolResized(workers=settings.workers))
            with metrics.observing(partial(pool_reading, dispatch)):
                yield pool
        finally:
            with anyio.CancelScope(shield=True):
                await pool.aclose()
            dispatch.worker_telling.pool_stopped(dispatch.finished)
            tasks.cancel_scope.cancel()


class Pool:
    """Runs calls on workers. Made by `open_pool`."""

    def __init__(self, settings: PoolSettings, dispatch: Dispatch) -> None:
        self.settings = settings
        self._dispatch = dispatch
        self._ending = Ending(dispatch)

    def __repr__(self) -> str:
        ledger = self._dispatch.scheduler.snapshot()
        return (
            f"<Pool {self.settings.name!r} {len(ledger.workers)} workers, "
            f"load {ledger.load}/{ledger.capacity}, {len(ledger.queued)} queued>"
        )

    async def wait_ready(self) -> None:
        """Returns when each worker serves or has failed to start.

        Raises:
            WorkerStartError: none serves; the message is the last one's.
        """
        await self._dispatch.until(lambda: not self._count(WorkerState.STARTING))
        self._check_serves()

    async def wait_serving(self) -> None:
        """Returns when the first worker serves.

        Raises:
            WorkerStartError: none does; the message is the last one's.
        """
        await self._dispatch.until(
            lambda: bool(self._count(WorkerState.READY)) or not self._count(WorkerState.STARTING)
        )
        self._check_serves()

    async def wait_room(self) -> None:
        """Returns when a call that comes now would run or wait, and not be refused."""
        await self._dispatch.until(
            lambda: self._dispatch.scheduler.has_room or self._dispatch.is_closed
        )

    async def wait_idle(self) -> None:
        """Returns when no call waits or runs. A lease on which nothing runs is no call."""
        await self._dispatch.until(
            lambda: all(call.is_idle_lease for call in self._dispatch.calls.values())
        )

    def resize(self, workers: int) -> None:
        """Starts or drains workers until there are this many."""
        staying = self._count_staying()
        self._dispatch.worker_telling.pool_resized(workers, before=staying)
        self._dispatch.tell(PoolResized(workers=workers))

    def retire(self, worker_id: WorkerId) -> None:
        """Lets a worker finish its calls and then end; another takes its place at once."""
        load = self._dispatch.scheduler.load_of(worker_id)
        self._dispatch.worker_telling.worker_retired(worker_id, load, "another takes its place")
        self._dispatch.tell(WorkerRetired(worker_id=worker_id))

    def drain(self, worker_id: WorkerId) -> int:
        """Lets a worker finish its calls and then end; none takes its place.

        Returns: how many there are without it.

        Raises:
            UsageError: it is the last one.
        """
        if self._count_staying() == 1:
            raise UsageError(
                f"Worker {worker_id} is the last of pool {self.settings.name!r}. To end that: stop."
            )
        load = self._dispatch.scheduler.load_of(worker_id)
        self._dispatch.worker_telling.worker_retired(worker_id, load, "it is not wanted any more")
        self._dispatch.tell(WorkerRetired(worker_id=worker_id, is_replaced=False))
        return self._count_staying()

    async def call(
        self, call: ToolCall, *, timeout: float | None, is_patient: bool = False
    ) -> ToolResult:
        """Runs a tool; all of it may take `timeout` seconds.

        One that `is_patient` waits for a worker for as long as that takes.

        Raises:
            ToolError: the tool raised.
            UsageError: the call does not fit the tool.
            PoolError: it was not run, or ran for too long.
            SessionLostError: its session's state is gone.
            WorkerCrashedError: the worker ended while it ran.
        """
        pending = PendingCall.of(call, timeout)
        queue_timeout = None if is_patient else self.settings.queue_timeout
        async with Share(self._dispatch, pending, _submitted(call), queue_timeout) as share:
            return await share.run(
                lambda worker: Lease(self._dispatch, worker, pending).call(call, pending)
            )
        raise AssertionError("unreachable")  # mypy: `share` might swallow, for all it knows

    async def stream(
        self,
        call: ToolCall,
        put: PutChunk,
        *,
        timeout: float | None,
    ) -> None:
        """Runs a streaming tool and puts out its chunks, the final one included.

        Raises: as `call`.
        """
        pending = PendingCall.of(call, timeout)
        queue_timeout = self.settings.queue_timeout
        async with Share(self._dispatch, pending, _submitted(call), queue_timeout) as share:
            await share.run(
                lambda worker: Lease(self._dispatch, worker, pending).stream(call, pending, put)
            )

    def place_of(self, call_id: CallId) -> CallPlace | None:
        """Tells, in any thread, where a call is; None: it is not there yet, or over."""
        return place_of(self._dispatch, call_id)

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
        pending = PendingCall.of(cell, timeout)

        async def show_loss(loss: Loss) -> None:
            await put(ClearOutput(wait=False))
            await put(StreamText(name="stderr", text=again_words(loss)))

        async with Share(self._dispatch, pending, _submitted(cell), None) as share:
            return await share.run(
                lambda worker: Lease(self._dispatch, worker, pending).run_cell(cell, pending, put),
                show_loss,
            )
        raise AssertionError("unreachable")  # mypy: as in `call`

    @asynccontextmanager
    async def lease(
        self, correlation_id: CorrelationId, worker_id: WorkerId | None = None
    ) -> AsyncIterator[ManualLease]:
        """Books a share of a worker, of the given one or the least loaded, for many calls.

        Raises:
            QueueTimeoutError: no share was free in time.
            PoolError: there is no such worker, or none at all.
        """
        call_id = new_call_id()
        pending = PendingCall(
            call_id=call_id,
            correlation_id=correlation_id,
            what="lease",
            session_id=None,
            timeout=None,
            is_lease=True,
        )
        event = CallSubmitted(call_id=call_id, worker_id=worker_id, is_manual=True)
        async with Share(self._dispatch, pending, event, self.settings.queue_timeout) as share:
            yield ManualLease(self._dispatch, await share.taken(), pending)

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs, or takes a call out of the queue."""
        await self._ending.interrupt(call_id)

    async def reply_input(self, call_id: CallId, reply: InputReply) -> None:
        """Hands to a cell what it has asked for; too late, it is dropped."""
        await self._ending.reply_input(call_id, reply)

    async def cancel(self, call_id: CallId, *, kill: bool = False) -> bool:
        """Ends a call wherever it is, and returns when it runs no more; False: there is none.

        A cell is interrupted and may still reply. What does not stop within the grace time is
        ended with its worker; with `kill`, at once. Of a lease, the call that runs on it is ended.
        """
        return await self._ending.cancel(call_id, kill=kill)

    async def kill(self, call_id: CallId, because: str) -> None:
        """Kills the worker that runs a call. Another takes its place."""
        await self._ending.kill(call_id, because)

    async def kill_worker(self, worker_id: WorkerId, because: str) -> None:
        """Kills a worker and what it runs, and returns when another is to take its place."""
        await self._ending.kill_worker(worker_id, because)

    async def complete(self, position: CodePosition) -> tuple[Completion, ...]:
        """Completes code of a session, in bounded time; of one without state, not at all."""
        worker = self._home_of(position.session_id)
        with suppress(WorkerError), anyio.move_on_after(QUESTION_SECONDS):
            return () if worker is None else await worker.channel.complete(position)
        return ()

    async def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells what a name in a session's code means, in bounded time; None: it is not known."""
        worker = self._home_of(position.session_id)
        with suppress(WorkerError), anyio.move_on_after(QUESTION_SECONDS):
            return None if worker is None else await worker.channel.inspect(position)
        return None

    async def end_session(self, session_id: SessionId) -> int:
        """Lets a session go; returns how much of it its worker has freed, once that has."""
        home = self._dispatch.scheduler.home_of(session_id)
        worker = self._home_of(session_id)
        self._dispatch.tell(SessionEnded(session_id=session_id))
        self._dispatch.telling.session_ended(session_id, home)
        self._dispatch.names.pop(session_id, None)
        self._dispatch.session_gone(session_id)
        if worker is None:
            return 0
        self.comms.lose_session(session_id)
        try:
            freed = await worker.channel.end_session(session_id)
        except WorkerCrashedError:
            return 0  # what it held is gone with it
        self._dispatch.telling.session_cleaned(session_id, worker.worker_id, freed)
        return freed

    def worker_of_token(self, token: str) -> WorkerId | None:
        """Returns the live worker whose line a token opens."""
        for worker in self._dispatch.workers.values():
            if is_same_token(token, worker.process.token):
                return worker.worker_id
        return None

    def call_in(self, worker_id: WorkerId, call_id: CallId | None) -> PendingCall | None:
        """Returns a call that runs in a worker; where none is given, the only one there."""
        running = [
            call
            for call in self._dispatch.calls.values()
            if call.worker_id == worker_id and not call.is_lease
        ]
        if call_id is None:
            return running[0] if len(running) == 1 else None
        return next((call for call in running if call.call_id == call_id), None)

    def look_for_knots(self) -> None:
        """Refuses a call that could never run, after somebody has begun to wait for one."""
        self._dispatch.held_up.check()

    async def catch_up(self, call: PendingCall, shown: int) -> None:
        """Returns when a cell has shown as many messages, or after a while."""
        with anyio.move_on_after(QUESTION_SECONDS):
            await call.wait_shown(shown)

    def worker_of_call(self, call_id: CallId) -> WorkerId | None:
        """Returns the worker that runs a call, if it has one now."""
        call = self._dispatch.calls.get(call_id)
        return None if call is None else call.worker_id

    def has_session(self, session_id: SessionId) -> bool:
        """Tells whether a session has its state on a worker."""
        return self._dispatch.scheduler.home_of(session_id) is not None

    def watch_sessions(self, watcher: SessionWatcher) -> None:
        """Lets somebody know which sessions and workers are gone."""
        self._dispatch.watcher = watcher

    @property
    def comms(self) -> Comms:
        """The comms of the workers' code."""
        return self._dispatch.comms

    @property
    def event_control(self) -> EventControl:
        """Which events the workers tell."""
        return self._dispatch.worker_events.control

    def control_events(self, control: EventControl) -> None:
        """Changes which events the workers tell, also those to come."""
        self._dispatch.worker_events.steer(control)

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What the workers offer."""
        return tools_of(self._dispatch)

    def note_problem(self, problem: str) -> None:
        """Lets the pool's snapshots tell of a problem that kept no worker from starting."""
        self._dispatch.problems.append(problem)

    def snapshot(self) -> PoolSnapshot:
        """Returns what an observer may see now."""
        return snapshot_of(self._dispatch)

    async def aclose(self) -> None:
        """Refuses what waits and stops all workers."""
        self._dispatch.close()
        self._dispatch.tell(PoolResized(workers=0))
        for worker in self._dispatch.workers.values():
            worker.stop_soon()
        await self._dispatch.until(lambda: not self._dispatch.workers)

    def _home_of(self, session_id: SessionId) -> LiveWorker | None:
        home = self._dispatch.scheduler.home_of(session_id)
        return None if home is None else self._dispatch.workers.get(home)

    def _count(self, state: WorkerState) -> int:
        workers = self._dispatch.scheduler.snapshot().workers
        return sum(worker.state is state for worker in workers)

    def _count_staying(self) -> int:
        ledger = self._dispatch.scheduler.snapshot()
        return sum(worker.state is not WorkerState.DRAINING for worker in ledger.workers)

    def _check_serves(self) -> None:
        if not self._count(WorkerState.READY):
            problems = self._dispatch.problems
            raise WorkerStartError(problems[-1] if problems else "No worker started.")


def _submitted(call: ToolCall | CellCall) -> CallSubmitted:
    return CallSubmitted(
        call_id=call.call_id,
        session_id=call.session_id,
        affinity=call.affinity,
        worker_id=call.worker_id,
        is_cell=isinstance(call, CellCall),
        keeps_session=isinstance(call, CellCall) and call.keeps_session,
    )
