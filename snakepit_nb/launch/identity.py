"""Which process is meant: its number alone does not tell, for the system gives it out again."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HAS_PROC = Path("/proc/self/stat").exists()

_START_TICKS = 19
"""Where the start stands in `/proc/PID/stat`, counted from the state: field 22 of proc(5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process and no other: its number, its start, and the boot since which that counts.

    Where there is no `/proc` (macOS), `start_ticks` are the microseconds of its creation time as
    psutil tells it. The system keeps that from the start of the process on, and no two boots have
    it in common, so `boot_id` is empty there.
    """

    pid: int
    start_ticks: int
    boot_id: str


def identity_of(pid: int) -> Identity | None:
    """Tells who has this number now; None for a process that has ended, reaped or not."""
    if not HAS_PROC:
        return _identity_by_psutil(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # before it stands a name, which may be anything
    if fields[0] in "ZX":
        return None
    return Identity(pid=pid, start_ticks=int(fields[_START_TICKS]), boot_id=boot_id())


def is_running(process: Identity) -> bool:
    """Tells whether that very process has not ended yet."""
    return identity_of(process.pid) == process


def boot_id() -> str:
    """Names what process numbers of here are valid in: this boot, and in it the PID namespace.

    Two containers of one machine have the boot in common, but not the numbers.
    """
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""


def own_identity() -> Identity:
    """Tells who this process is, as far as the system tells it."""
    unknown = Identity(pid=os.getpid(), start_ticks=0, boot_id=boot_id())
    return identity_of(os.getpid()) or unknown


def _identity_by_psutil(pid: int) -> Identity | None:
    import psutil  # noqa: PLC0415 (of no use where there is /proc)

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return Identity(pid=pid, start_ticks=int(process.create_time() * 1e6), boot_id="")
    return None
