"""A worker that is an object: it runs as many calls at once as it is told, and can crash."""

import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from signal import SIGKILL
from typing import Any

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.errors import Progress, WorkerCrashedError
from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.launch.launcher import WorkerExit
from snakepit_nb.scheduling.health import ProcessLook
from snakepit_nb.telemetry.event_stream import EventStream
from snakepit_nb.wire.buffers import BufferSpace
from snakepit_nb.wire.handshake import Announcement
from snakepit_nb.worker.context import Cancellation
from snakepit_nb.worker.tool_host import ToolHost

from .plain_cells import PlainCells

_pids = count(1)  # as unique as those of processes


@dataclass(slots=True)
class Run:
    """One call in its worker: a task of its own, which may outlive a caller that went away."""

    on_settled: Callable[[], object] = lambda: None
    cancellation: Cancellation = field(default_factory=Cancellation)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    settled: anyio.Event = field(default_factory=anyio.Event)
    value: Any = None
    error: BaseException | None = None
    is_interrupted: bool = False

    def cancel(self) -> None:
        """Cancels it where it waits, and lets it see that nobody waits for it."""
        if self.settled.is_set():
            return
        self.cancellation.requested = True
        self.scope.cancel()

    def settle(self) -> None:
        """Tells that nothing more is to come of it."""
        self.settled.set()
        self.on_settled()


class InProcessWorker:
    """The twin of a worker process."""

    def __init__(
        self, worker_id: WorkerId, host: ToolHost, tasks: TaskGroup, *, capacity: int = 1
    ) -> None:
        self.worker_id = worker_id
        self.pid = next(_pids)
        self.token = ""
        self.announcement = Announcement(
            pid=self.pid,
            address=f"in-process:{worker_id}",
            nonce="",
            capacity=capacity,
            python=platform.python_version(),
        )
        self.buffers = BufferSpace()  # none: what is large is copied here as all else
        self.last_lines: tuple[str, ...] = ()
        self.host = host
        self.cells = PlainCells()
        self._tasks = tasks
        self.events = EventStream()
        self._shares = anyio.Semaphore(capacity)
        self._turns: dict[SessionId, anyio.Lock] = {}
        self._runs: dict[CallId, Run] = {}
        self.looks: ProcessLook | None = None
        """What is to be said of the process."""
        self.answers = anyio.Event()
        """Set while it answers heartbeats; put another in its place, and it does not."""
        self.answers.set()
        self._progress: dict[CallId, Progress] = {}
        self._exit: WorkerExit | None = None
        self._ended = anyio.Event()
        self._load_changed = anyio.Event()

    def __repr__(self) -> str:
        state = "runs" if self._exit is None else f"ended with {self._exit}"
        return f"<InProcessWorker {self.worker_id} {state}, {len(self._runs)} calls>"

    def crash(
        self,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        last_lines: Sequence[str] = (),
    ) -> None:
        """Ends the worker now, in the middle of whatever it runs. Once it has ended: nothing."""
        if self._exit is not None:
            return
        self._exit = WorkerExit(exit_code=exit_code, signal=signal)
        self.last_lines = tuple(last_lines)
        for run in tuple(self._runs.values()):
            run.scope.cancel()
            run.settle()
        self._ended.set()
        self.events.close()
        self._tell_load()

    @property
    def has_run(self) -> bool:
        """Tells whether a call has ever begun here."""
        return bool(self._progress)

    def progress_of(self, call_id: CallId) -> Progress:
        """Tells how far the worker came with a call; certain once it has ended."""
        return self._progress.get(call_id, Progress.NOT_STARTED)

    def look(self) -> ProcessLook | None:
        """Tells what the system would say of the process."""
        return self.looks

    async def wait(self) -> WorkerExit:
        """Returns when the worker has ended; may be awaited many times."""
        await self._ended.wait()
        assert self._exit is not None  # noqa: S101 (our own mistake)
        return self._exit

    async def stop(self, grace: float) -> WorkerExit:  # noqa: ARG002 (it needs none)
        """Ends the worker in good order: its adapters are closed."""
        if self._exit is None:
            self.host.close()
            self.crash(exit_code=0)
        return await self.wait()

    async def kill(self) -> WorkerExit:
        """Ends the worker as SIGKILL does."""
        self.crash(signal=SIGKILL)
        return await self.wait()

    def check_alive(self) -> None:
        """Raises WorkerCrashedError once the worker has ended."""
        if self._exit is not None:
            raise WorkerCrashedError("The worker is gone.")

    def start(
        self,
        call_id: CallId,
        work: Callable[[], Awaitable[object]],
        on_settled: Callable[[], object] = lambda: None,
        *,
        session_id: SessionId | None = None,
        cancellation: Cancellation | None = None,
    ) -> Run:
        """Starts a call, which begins when its turn comes: after the session's, if one is named.

        Raises:
            WorkerCrashedError: the worker is gone.
        """
        self.check_alive()
        run = self._runs[call_id] = Run(on_settled, cancellation or Cancellation())
        self._tell_load()
        self._tasks.start_soon(self._carry_out, call_id, run, work, self._turn(session_id))
        return run

    def interrupt(self, call_id: CallId) -> None:
        """Interrupts a call that waits for its turn, or for something else."""
        run = self._runs.get(call_id)
        if run is not None:
            run.is_interrupted = True
            run.cancel()

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when a call runs no more; one that ignores its cancellation goes on."""
        run = self._runs.get(call_id)
        if run is not None:
            await run.settled.wait()
        self.check_alive()

    async def wait_load(self, known: int) -> int:
        """Returns how many calls it holds, once that is another number than the known one.

        Raises:
            WorkerCrashedError: the worker is gone.
        """
        while len(self._runs) == known and self._exit is None:
            await self._load_changed.wait()
        self.check_alive()
        return len(self._runs)

    def _tell_load(self) -> None:
        self._load_changed.set()
        self._load_changed = anyio.Event()

    def end_session(self, session_id: SessionId) -> None:
        """Forgets the turns of a session of which nothing runs."""
        turn = self._turns.get(session_id)
        if turn is not None and not turn.locked():
            del self._turns[session_id]

    async def _recorded(
        self, call_id: CallId, run: Run, work: Callable[[], Awaitable[object]]
    ) -> None:
        self._progress[call_id] = Progress.STARTED
        try:
            run.value = await work()
        finally:
            if self._exit is None:
                self._progress[call_id] = Progress.FINISHED

    def _turn(self, session_id: SessionId | None) -> anyio.Lock:
        if session_id is None:
            return anyio.Lock()
        return self._turns.setdefault(session_id, anyio.Lock())

    async def _carry_out(
        self,
        call_id: CallId,
        run: Run,
        work: Callable[[], Awaitable[object]],
        turn: anyio.Lock,
    ) -> None:
        try:
            with run.scope:
                async with turn, self._shares:
                    await self._recorded(call_id, run, work)
            if run.scope.cancelled_caught and run.is_interrupted:
                run.error = KeyboardInterrupt()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 (it travels to whoever waits)
            run.error = error
        finally:
            del self._runs[call_id]
            self._tell_load()
            run.settle()
