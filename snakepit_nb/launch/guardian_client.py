"""The kernel's end of the guardian: gives it orders, and tells what it reports of its processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskStatus

from snakepit_nb.identifiers import WorkerId
from snakepit_nb.off_loop import off_loop

from .clearing import clear_processes
from .descriptors import receive, send_all
from .identity import Identity, boot_id, identity_of
from .launcher import WorkerExit
from .run_record import RunRecord
from .start_problem import StartProblem

ANSWER_SECONDS = 5.0
"""An order is carried out in milliseconds; a guardian that takes this long is stuck."""
ENDING_SECONDS = 6.0
"""One more than the guardian gives itself."""
GUARDIAN = Path(__file__).with_name("guardian.py")

CANNOT_RUN = WorkerExit(exit_code=127)  # as a shell says it
ENDED_WITH_GUARDIAN = WorkerExit(signal=signal.SIGKILL)  # the system does so when their parent ends


class GuardedProcess:
    """What the guardian has reported of one process."""

    def __init__(self, worker_id: WorkerId) -> None:
        self.worker_id = worker_id
        self.pid = 0
        self.refusal: tuple[str, str] | None = None
        """The step that failed, and the system's words for it."""
        self.exit: WorkerExit | None = None
        self.answered = anyio.Event()
        self.ended = anyio.Event()

    def end(self, how: WorkerExit) -> None:
        """Notes how the process ended; also that of one which never ran."""
        self.exit = how
        self.answered.set()
        self.ended.set()


class GuardianClient:
    """One guardian process. `run` is its life; the rest may be called while that runs."""

    def __init__(
        self, directories: Sequence[Path], record: RunRecord, buffers: Sequence[Path] = ()
    ) -> None:
        self.directories = tuple(directories)
        """Those that it removes in the end; sockets are in the first."""
        self.buffers = tuple(buffers)
        """Those of them for buffers."""
        self.record = record
        self._processes: dict[str, GuardedProcess] = {}
        self._sending = anyio.Lock()
        self._socket, self._their_socket = socket.socketpair()
        self._guardian: Process | None = None
        self.ended = anyio.Event()

    @property
    def pid(self) -> int | None:
        """The guardian's process id, once it runs."""
        return None if self._guardian is None else self._guardian.pid

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Starts the guardian and follows its reports until it ends, whoever is cancelled.

        Raises:
            OSError: it cannot be started.
        """
        with anyio.CancelScope(shield=True):
            is_all_ended = True
            try:
                is_all_ended = await self._live(task_status)
            finally:
                close = partial(self.record.close, is_all_ended=is_all_ended)
                await off_loop(close)

    async def spawn(
        self,
        process: GuardedProcess,
        *,
        argv: Sequence[str],
        environment: Mapping[str, str],
        cwd: str,
        descriptors: Sequence[int],
    ) -> None:
        """Starts a process on the descriptors for its stdin, its output and its announcement.

        It is not cancellable, so that the caller always knows whether there is a process to kill.

        Raises:
            StartProblem: it did not start.
        """
        if process.worker_id in self._processes:
            process.end(CANNOT_RUN)
            raise StartProblem("a worker of that name runs already", "Give it another name.")
        self._processes[process.worker_id] = process
        self.record.reserve(process.worker_id)
        await self.record.flush()
        order = {
            "order": "spawn",
            "worker": process.worker_id,
            "argv": list(argv),
            "env": dict(environment),
            "cwd": cwd,
        }
        if not await self._order(order, descriptors, until=process.answered):
            process.end(ENDED_WITH_GUARDIAN)
        if process.refusal is not None:
            raise _problem(*process.refusal, program=argv[0], cwd=cwd)
        if process.exit is ENDED_WITH_GUARDIAN:
            raise StartProblem("the guardian of its pool has ended", "Start the pool again.")
        await self.record.flush()

    async def send_signal(self, process: GuardedProcess, number: signal.Signals) -> None:
        """Lets a process end, and what it started; the report of its end tells when it is gone."""
        if not process.ended.is_set():
            self.record.terminate(process.worker_id)
            order = {"order": "kill", "worker": process.worker_id, "signal": number}
            await self._order(order)

    async def aclose(self) -> None:
        """Lets the guardian end all its processes and itself; kills it if it cannot."""
        with suppress(OSError):
            # Not only closed: a forked child of the kernel would hold the connection open.
            self._socket.shutdown(socket.SHUT_WR)
        with anyio.move_on_after(ENDING_SECONDS, shield=True):
            await self.ended.wait()
            return
        self._kill_guardian()

    async def _order(
        self,
        order: Mapping[str, object],
        descriptors: Sequence[int] = (),
        *,
        until: anyio.Event | None = None,
    ) -> bool:
        """Sends an order, whole or not at all. Tells whether the guardian took it."""
        try:
            with anyio.fail_after(ANSWER_SECONDS, shield=True):
                async with self._sending:
                    await send_all(self._socket, json.dumps(order).encode() + b"\n", descriptors)
                if until is not None:
                    await until.wait()
        except OSError:  # it has ended, or (TimeoutError) it is stuck, and half an order may be out
            self._kill_guardian()
            return False
        return True

    def _kill_guardian(self) -> None:
        if self._guardian is not None:
            with suppress(ProcessLookupError):
                self._guardian.kill()

    async def _live(self, task_status: TaskStatus[None]) -> bool:
        """Tells whether, at the end of it, all of the guardian's processes have ended."""
        with self._socket:
            with self._their_socket:
                process = self._guardian = await self._start_guardian()
            self.record.guarded_by(identity_of(process.pid))
            self._socket.settimeout(0)
            task_status.started()
            await self._follow_reports()
        self.ended.set()
        with anyio.move_on_after(ENDING_SECONDS):
            await process.wait()
        survivors: set[Identity] = set()
        if process.returncode != 0 or self._processes:
            survivors = await off_loop(self._end_orphans)
        for guarded in self._processes.values():
            guarded.end(ENDED_WITH_GUARDIAN)
        self._processes.clear()
        await process.aclose()  # kills it if it is still there
        return not survivors

    def _end_orphans(self) -> set[Identity]:
        """Ends what a guardian that did not come to its own end had in its care. Blocks.

        On Linux the system has killed the workers with it, but not what they had started. On macOS
        it has killed nobody: this does, by psutil's identities and by the mark in the environment.
        """
        return clear_processes(self.record.run_id, self.record.processes)

    async def _start_guardian(self) -> Process:
        inherited = self._their_socket.fileno()
        arguments = (str(inherited), str(os.getpid()), *map(str, self.directories))
        return await anyio.open_process(
            [sys.executable, "-I", "-S", str(GUARDIAN), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None,  # a fault of its own goes to the kernel's log
            start_new_session=True,
            pass_fds=(inherited,),
        )

    async def _follow_reports(self) -> None:
        received = b""
        while data := await receive(self._socket.fileno()):
            *lines, received = (received + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, report: dict[str, Any]) -> None:
        process = self._processes[report["worker"]]
        if report["report"] == "spawned":
            process.pid = report["pid"]
            self.record.activate(process.worker_id, _identity(process.pid, report["start_ticks"]))
            process.answered.set()
            return
        del self._processes[process.worker_id]
        self.record.remove(process.worker_id)
        if report["report"] == "spawn_failed":
            process.refusal = report["step"], report["error"]
            process.end(CANNOT_RUN)
        else:
            process.end(
                WorkerExit(
                    exit_code=report["exit_code"],
                    signal=report["signal"],
                    peak_memory=report["peak_memory"],
                )
            )


def _identity(pid: int, start_ticks: int) -> Identity | None:
    """Names a process by what its parent has read, which nobody can have taken the number of."""
    if start_ticks:
        return Identity(pid=pid, start_ticks=start_ticks, boot_id=boot_id())
    return identity_of(pid)


def _problem(step: str, error: str, *, program: str, cwd: str) -> StartProblem:
    match step:
        case "exec":
            return StartProblem(
                f"{program!r} cannot be run: {error}", "Name an interpreter that is there."
            )
        case "cwd":
            return StartProblem(
                f"the directory {cwd!r} cannot be entered: {error}",
                "Name a directory that is there.",
            )
        case _:
            return StartProblem(f"the system gave no process: {error}", "Stop other processes.")
