"""A kernel that starts a worker with a daemon and stays at a given point; it waits to be killed.

`python -m tests.crashes.starting_kernel POINT`: `reserved`, before the guardian is told to start
the worker; `spawned`, before it is noted which process that is; `active`, behind all that.
"""

import json
import os
import sys
from typing import Any

import anyio

from snakepit_nb.launch.guardian_client import GuardianClient
from snakepit_nb.launch.subprocess_launcher import open_subprocess_launcher
from tests.launch.specs import STAND_IN, spec


async def main(point: str) -> None:
    async with (
        open_subprocess_launcher(command=(STAND_IN, "has-daemon")) as launcher,
        anyio.create_task_group() as tasks,
    ):
        if point != "active":
            GuardianClient._order = held(GuardianClient._order, point)  # type: ignore[method-assign]
            tasks.start_soon(launcher.launch, spec())
            await anyio.sleep_forever()
        worker = await launcher.launch(spec())
        while not worker.last_lines:
            await anyio.lowlevel.checkpoint()
        assert worker.guarded.pid
        tell(launcher.guardian_pid, worker.pid)
        await anyio.sleep_forever()


def held(order: Any, point: str) -> Any:  # noqa: ANN401
    """Makes an order stay where it is, before it is given or before its answer is taken in."""

    async def hold(client: GuardianClient, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        if point == "spawned":
            client.record.flush = anyio.sleep_forever  # type: ignore[method-assign]
            await order(client, *arguments, **named)
            (process,) = client._processes.values()
            tell(client.pid, process.pid)
        else:
            tell(client.pid)
        await anyio.sleep_forever()

    return hold


def tell(*pids: int | None) -> None:
    sys.stdout.write(json.dumps([os.getpid(), *pids]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
