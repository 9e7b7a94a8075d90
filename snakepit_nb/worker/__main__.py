"""A worker process: `python -m snakepit_nb.worker --announce-fd N`, as a launcher starts it."""

import argparse
import faulthandler
import logging
import os
import platform
import signal
import sys
import threading
from functools import partial
from pathlib import Path

import anyio

from snakepit_nb.errors import SnakepitError
from snakepit_nb.observations import worker_name
from snakepit_nb.settings import Profile
from snakepit_nb.telemetry.logs import label_log_records
from snakepit_nb.telemetry.redaction import redaction
from snakepit_nb.wire.buffers import BufferEnd, Side, reachable, space_of
from snakepit_nb.wire.handshake import (
    Announcement,
    Introduction,
    read_introduction,
    write_announcement,
)
from snakepit_nb.wire.private_directory import verify_private_directory

from .black_box import BlackBox
from .cell_service import CellService
from .emitting import process_events
from .grpc_server import open_server
from .host_client import HostClient
from .host_proxy import host as notebook
from .main_thread import MainThread
from .observed import LastResort, Observed
from .parent_watch import watch_parent
from .runner import Runner
from .sending import Sending
from .threads import Threads
from .tool_host import ToolHost, load_adapter
from .tool_service import ToolService
from .undebugged import UndebuggedThread

READ_SIZE = 1024 * 1024


def main() -> None:
    """Runs the worker until its stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m snakepit_nb.worker", description=__doc__)
    parser.add_argument("--announce-fd", type=int, required=True, metavar="N")
    announce = parser.parse_args().announce_fd
    # Threads keep it blocked; the main thread takes interrupts once it serves.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # The one that crashed says enough; and on the worker's own stderr, since cells have another.
    faulthandler.enable(os.dup(2), all_threads=False)
    observed = Observed()
    if logging.lastResort is not None:
        logging.lastResort = LastResort(observed, logging.lastResort)
    _set_log_level(os.environ.get("SNAKEPIT_LOG_LEVEL", ""))
    try:
        introduction = read_introduction(_read_line(0))
        redaction.hide_variables(os.environ)
        redaction.hide(introduction.token)
        name = worker_name(introduction.pool, introduction.worker_id)
        label_log_records(observed.add_log, worker_id=name)
        parent = _keep_stdin_to_ourselves()
        verify_private_directory(Path(introduction.socket_path).parent)
        sys.path[:] = dict.fromkeys((*introduction.sys_path, *sys.path))  # `--env PYTHONPATH` too
        host = ToolHost(map(load_adapter, introduction.adapters), introduction.profile)
    except SnakepitError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    _serve(introduction, host, observed, announce=announce, parent=parent)


def _serve(
    introduction: Introduction, host: ToolHost, observed: Observed, *, announce: int, parent: int
) -> None:
    threads = introduction.threads if introduction.profile is Profile.THREAD else None
    runner = MainThread() if threads is None else Threads(threads)
    if introduction.black_box_path:
        runner.black_box = BlackBox(introduction.black_box_path, runner.capacity)
    stopped = threading.Event()
    serve = partial(_serve_grpc, introduction, host, runner, observed, announce, stopped)
    serving = UndebuggedThread(partial(anyio.run, serve), "grpc")
    serving.start()
    watch_parent(parent, runner.stop, stopped)
    runner.serve()
    host.close()
    stopped.set()
    serving.join()


async def _serve_grpc(
    introduction: Introduction,
    host: ToolHost,
    runner: Runner,
    observed: Observed,
    announce: int,
    stopped: threading.Event,
) -> None:
    runner.attach()
    observed.attach(runner.call_serving)
    space = reachable(space_of(introduction))
    sending = Sending(BufferEnd(space, Side.WORKER))
    cells = CellService(runner, observed, sending)
    client = HostClient(introduction.bridge_address, introduction.token, introduction.message_bytes)
    notebook.connect(client)
    async with open_server(
        socket_path=introduction.socket_path,
        token=introduction.token,
        message_bytes=introduction.message_bytes,
        tools=ToolService(host, runner, observed, cells.forget, sending),  # type: ignore[abstract]  # the rest: UNIMPLEMENTED
        cells=cells,
    ):
        announcement = Announcement(
            pid=os.getpid(),
            address=f"unix:{introduction.socket_path}",
            nonce=introduction.nonce,
            capacity=runner.capacity,
            python=platform.python_version(),
            shares_buffers=bool(space.directories),
        )
        os.write(announce, write_announcement(announcement))
        os.close(announce)
        await anyio.to_thread.run_sync(stopped.wait)
        observed.end()  # or the server would wait for who reads these
        cells.close()
        process_events.close()
        await client.aclose()


def _set_log_level(name: str) -> None:
    """Lets more, or less, of the log come home than warnings."""
    level = logging.getLevelNamesMapping().get(name.upper())
    if level is not None:
        logging.getLogger().setLevel(level)


def _read_line(descriptor: int) -> bytes:
    """Reads the one line that comes; behind it there is nothing but the pipe's end."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(descriptor, READ_SIZE)
        if not data:
            break
        line += data
    return line


def _keep_stdin_to_ourselves() -> int:
    """Moves the pipe away from descriptor 0, where user code and its children would hold it."""
    pipe = os.dup(0)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    return pipe


if __name__ == "__main__":
    main()
