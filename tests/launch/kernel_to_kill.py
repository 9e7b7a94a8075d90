"""A kernel with workers in every state that makes a process hard to end. It waits to be killed."""

import json
import os
import signal
import sys

import anyio

from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from snakepit_nb.launch.subprocess_worker import SubprocessWorker

from .specs import STAND_IN, spec

MODES = ("serve", "holds-gil", "stops", "has-daemon")


async def main() -> None:
    async with open_subprocess_launcher(command=(STAND_IN, "serve")) as launcher:
        workers = {
            mode: await launcher.launch(spec(mode, environment=(("STAND_IN_MODE", mode),)))
            for mode in MODES
        }
        await first_line(workers["holds-gil"])
        pids = {mode: worker.pid for mode, worker in workers.items()}
        pids["daemon"] = int(await first_line(workers["has-daemon"]))
        pids["guardian"] = launcher.guardian_pid or 0
        told = {
            "pids": pids,
            "fork": fork_that_stays(),
            "socket": workers["serve"].introduction.socket_path,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


async def first_line(worker: SubprocessWorker) -> str:
    while not worker.last_lines:
        await anyio.lowlevel.checkpoint()
    return worker.last_lines[0]


def fork_that_stays() -> int:
    """Forks a child that, as those of `multiprocessing` do, keeps all our descriptors open."""
    child = os.fork()
    if child == 0:
        signal.pause()
    return child


if __name__ == "__main__":
    anyio.run(main)
