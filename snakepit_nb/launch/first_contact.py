"""The first words with a new worker: it is told who it is, says it is ready, and is checked."""

import os
import socket
import struct
from contextlib import suppress

import anyio
from anyio.abc import SocketAttribute

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.wire.handshake import Announcement, read_announcement, write_introduction

from .descriptors import receive_line
from .start_problem import StartProblem
from .subprocess_worker import SubprocessWorker

END_REPORT_SECONDS = 2.0
"""A worker that ends closes its announcement a moment before its end is reported."""

_CREDENTIALS = struct.Struct("3i")
_SAME_VERSION = "Look whether both sides run the same snakepit_nb."


async def make_contact(
    worker: SubprocessWorker, announcement_end: int, *, within: float
) -> Announcement:
    """Exchanges the introduction and the announcement, and makes sure who answers on the socket.

    Raises:
        StartProblem: it did not get ready within that many seconds, or is not what it should be.
    """
    try:
        with anyio.fail_after(within):
            line = await _announcement_line(worker, announcement_end)
            announcement = read_announcement(line, nonce=worker.introduction.nonce)
            _check_process(worker, announcement)
            await _check_listener(announcement)
            return announcement
    except TimeoutError:
        raise StartProblem(
            f"it was not ready within {within:g} s",
            "If its imports take long, raise ready_timeout.",
        ) from None
    except WorkerStartError as error:
        raise StartProblem(error.message.removesuffix("."), _SAME_VERSION) from error


async def _announcement_line(worker: SubprocessWorker, announcement_end: int) -> bytes:
    line = b""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_at_end_of, worker, tasks.cancel_scope)
        with suppress(OSError):  # it has ended; why, is told by its end
            await worker.tell(write_introduction(worker.introduction))
        line = await receive_line(announcement_end)
        tasks.cancel_scope.cancel()
    if line:
        return line
    with anyio.move_on_after(END_REPORT_SECONDS):
        ended = await worker.wait()
        raise StartProblem(
            f"it ended with {ended} before it was ready", "Correct what it complains of."
        )
    raise StartProblem("it closed its announcement without a word", _SAME_VERSION)


async def _cancel_at_end_of(worker: SubprocessWorker, scope: anyio.CancelScope) -> None:
    # A child that the worker started may hold the other end of the announcement open.
    await worker.wait()
    scope.cancel()


def _check_process(worker: SubprocessWorker, announcement: Announcement) -> None:
    if announcement.pid != worker.pid:
        raise StartProblem(
            f"process {worker.pid} was started, but process {announcement.pid} answers",
            "Name the interpreter itself, not a script that starts one.",
        )


async def _check_listener(announcement: Announcement) -> None:
    """Asks the system who listens on the announced socket: gRPC does not."""
    path = announcement.address.removeprefix("unix:")
    try:
        async with await anyio.connect_unix(path) as stream:
            listener = _listener(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 (no SQL)
    except OSError as error:
        raise StartProblem(
            f"its socket {path!r} does not answer: {error.strerror}", _SAME_VERSION
        ) from error
    if listener not in (None, (announcement.pid, os.geteuid())):
        raise StartProblem(
            f"process and user {listener} listen on its socket {path!r}",
            "Somebody else has made it; look who.",
        )


def _listener(connection: socket.socket) -> tuple[int, int] | None:
    if not hasattr(socket, "SO_PEERCRED"):  # Linux only
        return None
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(packed)
    return pid, user
