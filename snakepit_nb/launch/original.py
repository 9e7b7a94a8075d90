"""The original's Python worker: its flags and variables, its ready file, its end by a signal."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from snakepit_nb.off_loop import off_loop
from snakepit_nb.wire.handshake import Announcement, Introduction

from .launcher import LaunchSpec
from .start_problem import StartProblem
from .subprocess_worker import SubprocessWorker

LOOK_SECONDS = 0.02
LOOPBACK = "127.0.0.1"
HEARTBEAT = {
    "enabled": True,
    "interval_ms": 2000,
    "timeout_ms": 10_000,
    "max_missed_heartbeats": 3,
    # The guardian ends workers with their kernel; a kernel that is busy in native code must not.
    "dependent": False,
}


class OriginalManner:
    """One that is driven as the original's host does it.

    `bridge_address` is awaited for the address at which such workers find the kernel.
    """

    ends_by_signal = True

    def __init__(self, bridge_address: Callable[[], Awaitable[str]]) -> None:
        self._bridge_address = bridge_address

    async def command(
        self, spec: LaunchSpec, _introduction: Introduction, run_id: str
    ) -> tuple[str, ...]:
        """Puts the original's flags behind the user's words."""
        adapter = ("--adapter", spec.adapters[0].name.replace(":", ".")) if spec.adapters else ()
        return (
            *spec.command,
            *adapter,
            "--port",
            "0",
            "--elixir-address",
            await self._bridge_address(),
            "--snakepit-run-id",
            run_id,
            "--snakepit-instance-name",
            spec.pool,
        )

    def variables(self, spec: LaunchSpec, introduction: Introduction) -> Mapping[str, str]:
        """Tells where to say that it is ready, and lets it find adapters beside the notebook."""
        path = filter(None, (spec.cwd, os.environ.get("PYTHONPATH")))
        return {
            "PYTHONPATH": os.pathsep.join(path),
            "SNAKEPIT_READY_FILE": str(_ready_file(introduction)),
            "SNAKEPIT_HEARTBEAT_CONFIG": json.dumps(HEARTBEAT),
        }

    async def meet(
        self, worker: SubprocessWorker, _announcement_end: int, spec: LaunchSpec
    ) -> Announcement:
        """Waits for the port in the ready file."""
        file = _ready_file(worker.introduction)
        with anyio.move_on_after(spec.ready_timeout):
            while not (port := await off_loop(lambda: _port_in(file))):
                if worker.guarded.ended.is_set():
                    ended = await worker.wait()
                    raise StartProblem(
                        f"it ended with {ended} before it was ready",
                        "Correct what it complains of.",
                    )
                await anyio.sleep(LOOK_SECONDS)  # nobody tells of a file that comes
            return Announcement(
                pid=worker.pid,
                address=f"{LOOPBACK}:{port}",
                nonce=worker.introduction.nonce,
                capacity=spec.threads,
            )
        raise StartProblem(
            f"it was not ready within {spec.ready_timeout:g} s",
            "If its imports take long, raise ready_timeout.",
        )


def _ready_file(introduction: Introduction) -> Path:
    return Path(f"{introduction.socket_path}.port")


def _port_in(file: Path) -> int:
    """Reads the port and takes the file away; 0: it is not there, or not whole. Blocks."""
    with suppress(OSError, ValueError):
        port = int(file.read_text())
        file.unlink()
        return port
    return 0
