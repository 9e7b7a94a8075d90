"""Reads the limits that the system sets: of files, processes and memory."""

import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from snakepit_nb.launch.control_groups import group_files
from snakepit_nb.launch.runtime_directory import SHARED_MEMORY

from .facts import Descriptors, Memory, Processes, SharedMemory

NO_LIMIT = 1 << 60
"""Version 1 of control groups has no word for it, but a number of about 2 to the 63rd."""


def look_at_descriptors() -> Descriptors:
    """Reads how many files are open here, and may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Descriptors(opened=psutil.Process().num_fds(), soft=_limit(soft), hard=_limit(hard))


def look_at_processes() -> Processes:
    """Counts the threads of this user and of this control group."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    user = os.getuid()
    threads = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == user:
            threads += process.info["num_threads"] or 0
    return Processes(
        of_user=threads,
        user_limit=_limit(soft) if os.geteuid() else None,  # root is not held to it
        of_group=_number(group_files("pids", unified="pids.current", legacy="pids.current")) or 0,
        group_limit=_number(group_files("pids", unified="pids.max", legacy="pids.max")),
    )


def look_at_memory() -> Memory:
    """Reads how much memory the machine has, and this control group may have."""
    machine = psutil.virtual_memory()
    limits = group_files("memory", unified="memory.max", legacy="memory.limit_in_bytes")
    used = group_files("memory", unified="memory.current", legacy="memory.usage_in_bytes")
    return Memory(
        total=machine.total,
        available=machine.available,
        group_limit=_number(limits),
        group_used=_number(used) or 0,
    )


def look_at_shared_memory() -> SharedMemory:
    """Reads how large `/dev/shm` is."""
    try:
        system = os.statvfs(SHARED_MEMORY)
    except OSError:
        return SharedMemory(total=None, free=0)
    return SharedMemory(
        total=system.f_blocks * system.f_frsize, free=system.f_bavail * system.f_frsize
    )


def _limit(number: int) -> int | None:
    return None if number == resource.RLIM_INFINITY or number >= NO_LIMIT else number


def _number(files: Sequence[Path]) -> int | None:
    """Reads the first of the files that is there; None: it sets no limit, or there is none."""
    for file in files:
        with suppress(OSError):
            text = file.read_text().strip()
            return None if text == "max" else _limit(int(text))
    return None
