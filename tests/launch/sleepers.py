"""Processes that do nothing, for tests that end them."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from snakepit_nb.launch.identity import Identity, identity_of


@contextmanager
def sleeper(
    *,
    own_group: bool = True,
    group: int | None = None,
    environment: Mapping[str, str] | None = None,
    holding: Sequence[int] = (),
) -> Iterator[Identity]:
    """Starts one that leads a group, or is in a given one, or in ours."""
    with subprocess.Popen(
        ["/bin/sleep", "600"],
        process_group=group if group is not None else 0 if own_group else None,
        pass_fds=holding,
        env=None if environment is None else {**os.environ, **environment},
    ) as process:
        try:
            identity = identity_of(process.pid)
            assert identity is not None
            yield identity
        finally:
            process.send_signal(signal.SIGKILL)


def ended_process() -> Identity:
    """Names one that is no more."""
    with sleeper() as process:
        pass
    return process


DAEMON = """
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execvp("sleep", ["sleep", "600"])
"""
"""A program that starts a process that leaves its parent, session and group; it tells its pid."""
