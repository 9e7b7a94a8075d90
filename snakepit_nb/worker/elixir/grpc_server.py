"""A worker for the original's host, which runs this file by its path and knows it by its name.

`python .../grpc_server.py --adapter MODULE.CLASS --elixir-address HOST:PORT`, as the original's
own script is started. It is open to every process of this machine, because that host has no token:
so it listens on loopback alone.
"""

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from snakepit_nb.errors import SnakepitError
from snakepit_nb.settings import AdapterSource, Profile
from snakepit_nb.telemetry.logs import label_log_records
from snakepit_nb.worker.elixir.host import open_host
from snakepit_nb.worker.elixir.options import Options, read_options
from snakepit_nb.worker.elixir.service import DrivenToolService
from snakepit_nb.worker.elixir.serving import MESSAGE_BYTES, open_server, write_ready
from snakepit_nb.worker.main_thread import MainThread
from snakepit_nb.worker.observed import Observed
from snakepit_nb.worker.parent_watch import end
from snakepit_nb.worker.runner import Runner
from snakepit_nb.worker.threads import Threads
from snakepit_nb.worker.tool_host import ToolHost, load_adapter

JOIN_SECONDS = 2.0
TERMINATED = 143
"""The exit status where code that runs does not let the worker end: as of the signal itself."""
LOG_FORMAT = "%(levelname)s %(name)s [corr=%(correlation_id)s] %(message)s"


def main() -> None:
    """Runs the worker until the host ends it, or is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    faulthandler.enable(all_threads=False)
    options = read_options(sys.argv[1:], os.environ)
    if options.leads_group:
        with suppress(PermissionError):  # it does already
            os.setsid()
    _log_at(options.log_level)
    profile = Profile.PROCESS if options.threads is None else Profile.THREAD
    try:
        host = ToolHost([load_adapter(AdapterSource(name=options.adapter))], profile)
    except (SnakepitError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    if not options.only_health:
        sys.exit(_serve(options, host))


def _serve(options: Options, host: ToolHost) -> int:
    """Serves, and returns the process's exit status."""
    runner = MainThread() if options.threads is None else Threads(options.threads)
    stopped, problems = threading.Event(), list[str]()

    def serve() -> None:
        try:
            anyio.run(_serve_grpc, options, host, runner, stopped)
        except BaseException as error:  # noqa: BLE001 (it ends the process, which says why)
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            problems.append(f"{type(error).__name__}: {error}")
        end(runner.stop, stopped, TERMINATED)

    _heed_termination(lambda: end(runner.stop, stopped, TERMINATED))
    serving = threading.Thread(target=serve, name="grpc", daemon=True)
    serving.start()
    runner.serve()
    stopped.set()
    host.close()
    serving.join(JOIN_SECONDS)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if serving.is_alive():  # it waits for a call that the main thread has left
        os._exit(TERMINATED)
    return int(bool(problems))


async def _serve_grpc(
    options: Options, host: ToolHost, runner: Runner, stopped: threading.Event
) -> None:
    observed = Observed()
    runner.attach()
    observed.attach(runner.call_serving)
    async with open_host(options.host_address, MESSAGE_BYTES) as elixir:
        await elixir.reach(stopped)
        service = DrivenToolService(elixir, host, runner, observed)  # type: ignore[abstract]  # the rest: UNIMPLEMENTED
        async with open_server(options.port, service) as port, anyio.create_task_group() as tasks:
            if options.ready_file:
                await anyio.to_thread.run_sync(write_ready, Path(options.ready_file), port)
            tasks.start_soon(_cancel_when_stopped, stopped, tasks.cancel_scope)
            await elixir.watch(options.heartbeat)
            tasks.cancel_scope.cancel()


async def _cancel_when_stopped(stopped: threading.Event, scope: anyio.CancelScope) -> None:
    await anyio.to_thread.run_sync(stopped.wait, abandon_on_cancel=True)
    scope.cancel()


def _heed_termination(terminate: Callable[[], None]) -> None:
    """Calls back at SIGTERM, on a thread of its own.

    A handler could be lost: an interrupt of the call that runs may be raised out of it.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def wait() -> None:
        while signal.SIGTERM not in os.read(heard, 1024):
            pass
        terminate()

    threading.Thread(target=wait, name="termination", daemon=True).start()


def _log_at(name: str) -> None:
    label_log_records()
    level = logging.getLevelNamesMapping().get(name.strip().upper(), logging.ERROR)
    logging.basicConfig(level=level, format=LOG_FORMAT)
    if name.strip().lower() == "none":
        logging.disable()


if __name__ == "__main__":
    # Run by its path, its neighbours would stand before the user's modules of the same names.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    main()
