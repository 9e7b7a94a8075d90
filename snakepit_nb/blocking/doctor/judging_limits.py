"""The verdicts on the system's limits, against what so many workers need."""

from snakepit_nb.blocking.short_text import short_bytes
from snakepit_nb.settings import MIB

from .facts import Descriptors, Memory, Processes, SharedMemory
from .findings import Finding, Verdict

DESCRIPTORS_OF_A_WORKER = 4
"""Here in the kernel: its stdin, its output, its connection, and one while it starts."""
DESCRIPTORS_OF_A_POOL = 24
"""Before the first worker: loop, guardian, registry, gRPC's own."""
THREADS_OF_A_WORKER = 12
"""gRPC's; of user code each has its own. The system counts threads where it limits processes."""
MEMORY_OF_A_WORKER = 45 * MIB
"""Resident, of one that has run a cell; what user code holds comes on top."""
SMALL_SHARED_MEMORY = 32 * MIB
"""Half of what Docker gives."""


def judge_descriptors(found: Descriptors, workers: int) -> Finding:
    """Says whether this process may open what so many workers need."""
    needed = found.opened + DESCRIPTORS_OF_A_POOL + DESCRIPTORS_OF_A_WORKER * workers
    verdict, advice = Verdict.OK, ""
    if found.soft is not None and needed > found.soft:
        verdict = Verdict.FAULT
        can_be_raised = found.hard is None or needed <= found.hard
        advice = (
            f"Start the kernel behind `ulimit -n {found.hard or needed}`."
            if can_be_raised
            else "Start fewer workers, or let the administrator raise the hard limit."
        )
    return Finding(
        name="descriptors",
        verdict=verdict,
        seen=f"{found.opened} open, {workers} workers need {needed} of {limit(found.soft)} "
        f"(hard limit: {limit(found.hard)})",
        advice=advice,
        values={
            "open": found.opened,
            "needed": needed,
            "soft": found.soft,
            "hard": found.hard,
        },
    )


def judge_processes(found: Processes, workers: int) -> Finding:
    """Says whether the system will give so many workers their threads."""
    needed = THREADS_OF_A_WORKER * workers
    rooms = [
        most - used
        for used, most in (
            (found.of_user, found.user_limit),
            (found.of_group, found.group_limit),
        )
        if most is not None
    ]
    is_short = needed > min(rooms, default=needed)
    return Finding(
        name="processes",
        verdict=Verdict.FAULT if is_short else Verdict.OK,
        seen=f"{workers} workers need {needed} threads; this user has {found.of_user} of "
        f"{limit(found.user_limit)}, the control group {found.of_group} of "
        f"{limit(found.group_limit)}",
        advice="Start fewer workers, end other processes, or raise `ulimit -u` or the container's "
        "limit of processes."
        if is_short
        else "",
        values={
            "needed": needed,
            "of_user": found.of_user,
            "user_limit": found.user_limit,
            "of_group": found.of_group,
            "group_limit": found.group_limit,
        },
    )


def judge_memory(found: Memory, workers: int) -> Finding:
    """Says whether so many workers fit before any of them has loaded anything."""
    needed = MEMORY_OF_A_WORKER * workers
    room = found.available
    if found.group_limit is not None:
        room = min(room, found.group_limit - found.group_used)
    group = "" if found.group_limit is None else f", {short_bytes(found.group_limit)} to its group"
    is_short = needed > room
    return Finding(
        name="memory",
        verdict=Verdict.WARNING if is_short else Verdict.OK,
        seen=f"{short_bytes(max(room, 0))} are free of {short_bytes(found.total)}{group}; "
        f"{workers} workers take {short_bytes(needed)} and what your code holds",
        advice="Start fewer workers, or free memory: the system may kill what does not fit."
        if is_short
        else "",
        values={
            "needed": needed,
            "room": room,
            "total": found.total,
            "available": found.available,
            "group_limit": found.group_limit,
            "group_used": found.group_used,
        },
    )


def judge_shared_memory(found: SharedMemory) -> Finding:
    """Says how much there is for large values on their way, and for libraries such as PyTorch."""
    values = {"total": found.total, "free": found.free}
    if found.total is None:
        seen, advice = "there is no /dev/shm: large values go through files", ""
    else:
        seen = f"{short_bytes(found.free)} of {short_bytes(found.total)} are free"
        advice = (
            "Large values go through files then, which is slower, and libraries such as PyTorch "
            "may need more: in Docker, `--shm-size`."
            if found.free < SMALL_SHARED_MEMORY
            else ""
        )
    return Finding(
        name="shared_memory",
        verdict=Verdict.WARNING if advice else Verdict.OK,
        seen=seen,
        advice=advice,
        values=values,
    )


def limit(number: int | None) -> str:
    """Says a limit."""
    return "no limit" if number is None else str(number)
