"""Lets innocent processes have the numbers of a dead kernel, its guardian and its worker; sweeps.

`python -m tests.crashes.pid_reuse PHASE`, as the first process of a namespace of its own: nowhere
else may the next number be chosen. It tells who was to be spared and what is noted still, as JSON.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from snakepit_nb.launch.identity import identity_of
from snakepit_nb.launch.registry import Registry
from snakepit_nb.launch.state_directory import state_directory
from snakepit_nb.launch.sweep import sweep

from .faulty_kernels import Kernel
from .waiting import until

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def main(phase: str) -> None:
    kernel = Kernel()
    told = kernel.tell(phase)
    numbers = [told["kernel"], told["guardian"], told["worker"]]
    os.kill(told["kernel"], signal.SIGSTOP)  # lest it cleans up for its guardian
    os.kill(told["guardian"], signal.SIGKILL)
    kernel.kill()
    until(lambda: are_reaped(numbers))
    spared = [innocent(number) for number in numbers]
    identities = {process: identity_of(process.pid) for process in spared}
    noted_before = len(noted())
    swept = [orphans.plain()["processes"] for orphans in sweep(state_directory())]
    told = {
        "numbers": numbers,
        "innocents": [process.pid for process in spared],
        "alive": [identity_of(each.pid) == known for each, known in identities.items()],
        "swept": swept,
        "noted before": noted_before,
        "noted": noted(),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def are_reaped(numbers: list[int]) -> bool:
    """Reaps what has come to us, as the first process of a system must."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return not any(Path(f"/proc/{number}").exists() for number in numbers)


def innocent(number: int) -> "subprocess.Popen[bytes]":
    LAST_PID.write_text(str(number - 1))
    return subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)


def noted() -> list[str]:
    registry = Registry(state_directory())
    runs = list(registry.runs())
    registry.close()
    return runs


if __name__ == "__main__":
    main(sys.argv[1])
