"""A worker that is a process on this machine, with what the kernel holds of it."""

import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import anyio

from snakepit_nb.errors import Progress, WorkerError
from snakepit_nb.identifiers import CallId, WorkerId
from snakepit_nb.off_loop import off_loop
from snakepit_nb.scheduling.health import ProcessLook
from snakepit_nb.telemetry.log_ring import keep_stray_line
from snakepit_nb.wire.black_box import read_progress
from snakepit_nb.wire.buffers import BufferSpace, space_of
from snakepit_nb.wire.handshake import Announcement, Introduction

from .descriptors import receive, send_all
from .ends import Ends
from .guardian_client import GuardedProcess, GuardianClient
from .launcher import WorkerExit
from .memory_kills import MemoryKills
from .output_tail import OutputTail
from .process_look import look_at

KILL_SECONDS = 10.0
LAST_WORDS_SECONDS = 0.5
"""How long, after a worker ended, another process that holds its output may hide its last lines."""


class SubprocessWorker:
    """One process under the guardian. `attend` is its life; the rest is called while that runs."""

    def __init__(
        self,
        introduction: Introduction,
        guardian: GuardianClient,
        ends: Ends,
        memory_kills: MemoryKills,
    ) -> None:
        self.introduction = introduction
        self.guarded = GuardedProcess(introduction.worker_id)
        self.ends_by_signal = False
        """Whether SIGTERM asks it to end, where ours ends with its stdin."""
        self.guardian = guardian
        self._all_buffers = space_of(introduction)
        self._stdin = ends.stdin
        self._output = ends.output
        self._tail = OutputTail(partial(keep_stray_line, introduction.pool, introduction.worker_id))
        self._announcement: Announcement | None = None
        self._memory_kills = memory_kills
        self._black_box: BinaryIO | None = None
        self._record = b""
        self._output_ended = anyio.Event()
        self._finished = anyio.Event()

    def __repr__(self) -> str:
        exit_ = self.guarded.exit
        state = "runs" if exit_ is None else f"ended with {exit_}"
        return f"<SubprocessWorker {self.introduction.worker_id} process {self.pid} {state}>"

    @property
    def worker_id(self) -> WorkerId:
        """What the pool calls it."""
        return self.introduction.worker_id

    @property
    def pid(self) -> int:
        """The process id."""
        return self.guarded.pid

    @property
    def token(self) -> str:
        """The secret that opens the worker's socket."""
        return self.introduction.token

    @property
    def announcement(self) -> Announcement:
        """What the worker said of itself when it was ready."""
        if self._announcement is None:
            raise WorkerError(f"Worker {self.introduction.worker_id} has not announced itself.")
        return self._announcement

    @property
    def buffers(self) -> BufferSpace:
        """Where large buffers lie on their way to it and back."""
        is_shared = self.announcement.shares_buffers
        return self._all_buffers if is_shared else BufferSpace()

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines that the process itself wrote to its stdout and stderr."""
        return self._tail.lines

    def progress_of(self, call_id: CallId) -> Progress:
        """Tells how far the worker came with a call; certain once the process has ended."""
        return read_progress(self._record, call_id) if self._record else Progress.UNKNOWN

    def look(self) -> ProcessLook | None:
        """Tells what the system says of the process now. It blocks for a moment."""
        return None if self.guarded.ended.is_set() else look_at(self.pid)

    def meet(self, announcement: Announcement) -> None:
        """Notes what the worker said of itself."""
        self._announcement = announcement
        with suppress(OSError):  # another host's worker has none
            # Held open: the directory may be cleared before the record is read.
            self._black_box = open(self.introduction.black_box_path, "rb", buffering=0)  # noqa: PTH123, SIM115

    async def attend(self) -> None:
        """Takes its output until it ends, whoever is cancelled: its end is sure to be reported."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._take_output)
                await self.guarded.ended.wait()
                with anyio.move_on_after(LAST_WORDS_SECONDS):
                    await self._output_ended.wait()
                tasks.cancel_scope.cancel()
            os.close(self._output)
            anyio.notify_closing(self._stdin)
            self._stdin.close()
            await off_loop(self._look_back)
            self._finished.set()
            await self.guardian.record.flush()

    async def tell(self, data: bytes) -> None:
        """Writes to its stdin.

        Raises:
            OSError: it has closed that, or has ended.
        """
        try:
            await send_all(self._stdin, data)
        except anyio.ClosedResourceError as error:
            raise BrokenPipeError from error

    async def wait(self) -> WorkerExit:
        """Returns when the process has ended and its output is read; may be awaited many times."""
        await self._finished.wait()
        if self.guarded.exit is None:
            raise WorkerError(f"{self!r} is finished, yet its end was not reported.")
        return self.guarded.exit

    async def stop(self, grace: float) -> WorkerExit:
        """Asks the worker to end, kills it after `grace` seconds, and returns once it has ended."""
        if not self.guarded.ended.is_set():
            self.guardian.record.terminate(self.guarded.worker_id)
            await self.guardian.record.flush()
            await self._ask_to_end()
        with anyio.move_on_after(grace, shield=True):
            return await self.wait()
        return await self.kill()

    async def _ask_to_end(self) -> None:
        if self.ends_by_signal:
            await self.guardian.send_signal(self.guarded, signal.SIGTERM)
            return
        with suppress(OSError):  # it has ended, and that is not reported yet
            # Not only closed: a forked child of the kernel would hold it open.
            self._stdin.shutdown(socket.SHUT_RDWR)

    async def kill(self) -> WorkerExit:
        """Kills the worker and all that it started, and returns once it has ended.

        Raises:
            WorkerError: not even that ended it.
        """
        with anyio.move_on_after(KILL_SECONDS, shield=True):
            await self.guardian.send_signal(self.guarded, signal.SIGKILL)
            return await self.wait()
        raise WorkerError(
            f"Worker {self.introduction.worker_id} (process {self.pid}) was killed, but has not "
            f"ended after {KILL_SECONDS:g} s: it hangs in the system. Look at it with `ps`."
        )

    def _look_back(self) -> None:
        """Reads what there is to know of a process that has ended."""
        if self._black_box is not None:
            with self._black_box:
                self._record = self._black_box.read()
        self._all_buffers.remove_all()
        for path in (self.introduction.black_box_path, self.introduction.socket_path):
            with suppress(OSError):
                Path(path).unlink()
        ended = self.guarded.exit
        if ended is not None and ended.signal == signal.SIGKILL:
            guess = self._memory_kills.has_risen()
            self.guarded.exit = replace(ended, is_probably_out_of_memory=guess)

    async def _take_output(self) -> None:
        while data := await receive(self._output):
            self._tail.feed(data)
        self._output_ended.set()
