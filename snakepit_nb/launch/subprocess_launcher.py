"""Starts workers as child processes of a guardian on this machine."""

import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from snakepit_nb.errors import WorkerError, WorkerStartError
from snakepit_nb.off_loop import off_loop
from snakepit_nb.telemetry.redaction import redaction
from snakepit_nb.wire.handshake import Introduction

from .ends import Ends, open_ends
from .environment import (
    FORCED,
    QUIET_GRPC,
    RUN_ID_VARIABLE,
    WORKER_ID_VARIABLE,
    thread_limits,
    worker_environment,
)
from .guardian_client import GuardianClient
from .launcher import LaunchSpec
from .manner import Manner, OurManner
from .memory_kills import MemoryKills
from .registry import Registry
from .run_record import RunRecord
from .runtime_directory import (
    SHARED_MEMORY,
    black_box_path,
    bridge_socket_path,
    create_buffer_directories,
    create_runtime_directory,
    restore_runtime_directory,
    socket_path,
)
from .start_problem import StartProblem, start_error
from .state_directory import state_directory
from .subprocess_worker import SubprocessWorker
from .sweep import sweep, tell_swept

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0


@asynccontextmanager
async def open_subprocess_launcher(
    *,
    command: Sequence[str] = ("-m", "snakepit_nb.worker"),
    sweeps: bool = True,
    on_problem: Callable[[str], object] = lambda _: None,
    on_bridge: Callable[[Path], Awaitable[None]] | None = None,
    original: Manner | None = None,
    shared_memory: Path = SHARED_MEMORY,
) -> AsyncIterator["SubprocessLauncher"]:
    """Opens a launcher that leaves no process behind.

    Args:
        command: What the interpreter runs.
        sweeps: Whether what dead kernels have left is cleared away, now and every minute.
        on_problem: Is told, by a launch, why workers are not noted in the registry.
        on_bridge: Is awaited with the path of the bridge's socket before a worker knows it.
        original: How workers are started that are told a command of the user's.
        shared_memory: Where large buffers travel as long as there is room.
    """
    registry = Registry(state_directory())
    try:
        async with anyio.create_task_group() as tasks:
            launcher = SubprocessLauncher(tasks, command, registry, on_problem, shared_memory)
            launcher.on_bridge = on_bridge
            launcher.original = original
            tasks.start_soon(partial(launcher.tend, sweeps=sweeps))
            try:
                yield launcher
            finally:
                await launcher.aclose()
    finally:
        with anyio.CancelScope(shield=True):
            await off_loop(registry.close)


class SubprocessLauncher:
    """The launcher for this machine. Its guardian is started by the first launch."""

    def __init__(
        self,
        tasks: TaskGroup,
        command: Sequence[str],
        registry: Registry,
        on_problem: Callable[[str], object],
        shared_memory: Path,
    ) -> None:
        self._tasks = tasks
        self._ours = OurManner(tuple(command))
        self._registry = registry
        self._on_problem = on_problem
        self._shared_memory = shared_memory
        self._memory_kills = MemoryKills()
        self._tending = anyio.CancelScope()
        self._guardian: GuardianClient | None = None
        self._opening = anyio.Lock()
        self._is_closed = False
        self._launched = 0
        self.on_bridge: Callable[[Path], Awaitable[None]] | None = None
        """Is awaited with the path of the bridge's socket before a worker knows it."""
        self.original: Manner | None = None
        """How workers are started that are told a command of the user's."""

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return (
            f"<SubprocessLauncher {state} guardian {self.guardian_pid} launched {self._launched}>"
        )

    @property
    def guardian_pid(self) -> int | None:
        """The process id of the guardian, once there is one."""
        return None if self._guardian is None else self._guardian.pid

    async def launch(self, spec: LaunchSpec) -> SubprocessWorker:
        """Starts one worker and returns when it has announced itself.

        Raises:
            WorkerStartError: it did not get ready; the message says why and has its last lines.
        """
        guardian = await self._open_guardian()
        try:
            ends = open_ends()
        except OSError as error:
            problem = StartProblem(f"no pipe can be made: {error.strerror}", "Raise `ulimit -n`.")
            raise start_error(spec, problem, ()) from error
        introduction = self._introduction(spec, guardian)
        manner = self._manner_of(spec)
        worker = SubprocessWorker(introduction, guardian, ends, self._memory_kills)
        worker.ends_by_signal = manner.ends_by_signal
        # It is attended before it is started: later, the task group might have ended.
        self._tasks.start_soon(worker.attend)
        try:
            await self._spawn(spec, manner, worker, ends)
            worker.meet(await manner.meet(worker, ends.announcement, spec))
        except StartProblem as problem:
            await _clear_away(worker)
            raise start_error(spec, problem, worker.last_lines) from problem.__cause__
        except BaseException:
            await _clear_away(worker)
            raise
        finally:
            os.close(ends.announcement)
        return worker

    async def aclose(self) -> None:
        """Kills what still runs, and ends the guardian."""
        self._is_closed = True
        self._tending.cancel()
        with anyio.CancelScope(shield=True):
            async with self._opening:
                if self._guardian is not None:
                    await self._guardian.aclose()

    async def tend(self, *, sweeps: bool) -> None:
        """Sees to it every minute that what it has started is noted, and `sweeps` after others."""
        # An interpreter that ends starts no thread any more, and has nothing left to tend.
        with self._tending, suppress(RuntimeError):
            while True:
                await anyio.to_thread.run_sync(self._tend, sweeps, abandon_on_cancel=True)
                await anyio.sleep(SWEEP_SECONDS)

    def _tend(self, sweeps: bool) -> None:  # noqa: FBT001 (run_sync passes no names)
        try:
            if sweeps:
                tell_swept(sweep(self._registry.state, problem_level=logging.INFO))
            if self._guardian is not None:
                self._guardian.record.refresh()
        except Exception:  # raised on, it would end the pool with all that runs there
            log.exception("what dead kernels have left is not cleared away")

    async def _open_guardian(self) -> GuardianClient:
        async with self._opening:
            if self._is_closed:
                raise WorkerStartError("The launcher is closed; start the pool again.")
            guardian = self._guardian
            if guardian is None or guardian.ended.is_set():
                guardian = self._guardian = await self._start_guardian()
            else:
                restore_runtime_directory(guardian.directories[0])
            if self.on_bridge is not None:
                await self.on_bridge(bridge_socket_path(guardian.directories[0]))
            return guardian

    async def _start_guardian(self) -> GuardianClient:
        preferred = os.environ.get("XDG_RUNTIME_DIR", "")
        guardian = await off_loop(partial(self._prepare_guardian, preferred))
        try:
            with anyio.CancelScope(shield=True):
                await self._tasks.start(guardian.run)
        except OSError as error:
            raise WorkerStartError(
                f"The guardian of the workers cannot be run with {sys.executable!r}: "
                f"{error.strerror}. Look whether that interpreter is still there."
            ) from error
        return guardian

    def _prepare_guardian(self, preferred: str) -> GuardianClient:
        directory = create_runtime_directory(preferred)
        buffers = create_buffer_directories(directory, shared_memory=self._shared_memory)
        directories = tuple(dict.fromkeys((directory, *buffers)))
        record = RunRecord.open(self._registry, directories, self._on_problem)
        return GuardianClient(directories, record, buffers)

    def _manner_of(self, spec: LaunchSpec) -> Manner:
        if not spec.command:
            return self._ours
        if self.original is None:
            raise WorkerStartError("This launcher starts no workers by a command of the user's.")
        return self.original

    async def _spawn(
        self, spec: LaunchSpec, manner: Manner, worker: SubprocessWorker, ends: Ends
    ) -> None:
        guardian = worker.guardian
        run_id = guardian.record.run_id
        environment = worker_environment(
            inherited=os.environ,
            limits={**thread_limits(spec.threads), **QUIET_GRPC},
            user={**manner.variables(spec, worker.introduction), **dict(spec.environment)},
            forced={**FORCED, WORKER_ID_VARIABLE: spec.worker_id, RUN_ID_VARIABLE: run_id},
        )
        try:
            await guardian.spawn(
                worker.guarded,
                argv=await manner.command(spec, worker.introduction, run_id),
                environment=environment,
                cwd=spec.cwd,
                descriptors=ends.theirs,
            )
        finally:
            ends.close_theirs()

    def _introduction(self, spec: LaunchSpec, guardian: GuardianClient) -> Introduction:
        directory = guardian.directories[0]
        self._launched += 1
        token = secrets.token_urlsafe(32)
        redaction.hide(token)
        return Introduction(
            worker_id=spec.worker_id,
            pool=spec.pool,
            socket_path=str(socket_path(directory, self._launched)),
            black_box_path=str(black_box_path(directory, self._launched)),
            token=token,
            nonce=secrets.token_urlsafe(16),
            adapters=spec.adapters,
            sys_path=spec.sys_path,
            message_bytes=spec.message_bytes,
            profile=spec.profile,
            threads=spec.threads,
            bridge_address=f"unix:{bridge_socket_path(directory)}",
            buffer_directories=tuple(map(str, guardian.buffers)),
            buffer_number=self._launched,
        )


async def _clear_away(worker: SubprocessWorker) -> None:
    with suppress(WorkerError):  # that it cannot be killed is not why it did not start
        await worker.kill()
