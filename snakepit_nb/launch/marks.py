"""Finds what descends from a run by the mark that its processes carry in their environment."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .environment import RUN_ID_VARIABLE
from .identity import HAS_PROC, Identity, identity_of


def marked(run_id: str) -> list[Identity]:
    """Lists this user's processes that were started by workers of that run, or by their children.

    Who has left its process group, its session and its parent is found too; who was started without
    the mark in its environment is not. This process itself is never listed.
    """
    mark = f"{RUN_ID_VARIABLE}={run_id}".encode()
    processes = _marked(mark) if HAS_PROC else _marked_by_psutil(run_id)
    return [process for process in processes if process.pid != os.getpid()]


def _marked(mark: bytes) -> Iterator[Identity]:
    user = os.geteuid()
    for entry in os.scandir("/proc"):
        # Most end or belong to others while we look; they are none of ours then.
        with suppress(OSError):
            if not entry.name.isdecimal() or entry.stat().st_uid != user:
                continue
            process = identity_of(int(entry.name))
            if process is not None and mark in _environment(process.pid):
                yield process


def _environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def _marked_by_psutil(run_id: str) -> Iterator[Identity]:
    import psutil  # noqa: PLC0415 (of no use where there is /proc)

    for found in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if found.uids().effective != os.geteuid():
                continue
            process = identity_of(found.pid)
            if process is not None and found.environ().get(RUN_ID_VARIABLE) == run_id:
                yield process
