"""How it looks what killed kernels have left: in the notebook, and in a terminal."""

from collections.abc import Iterator, Sequence

from snakepit_nb.launch.identity import Identity
from snakepit_nb.launch.sweep import Orphans

from .status_view import counted
from .table import Table

HOW_TO_END = "They are ended when a pool starts, and by `orphans --kill`."


def orphans_view(found: Sequence[Orphans], *, is_swept: bool) -> Table:
    """Shows each run of a kernel that is dead: its workers as they are noted, and what runs."""
    if not found:
        return Table("No killed kernel has left anything.", (), ())
    processes = sum(len(orphans.processes) for orphans in found)
    what = f"{processes} process{'' if processes == 1 else 'es'}"
    title = f"Ended and removed: {what}" if is_swept else f"Left by killed kernels: {what}"
    return Table(
        f"{title}, {counted(len(found), 'run')}",
        ("run", "kernel", "worker", "state", "process"),
        [row for orphans in found for row in _rows(orphans, is_swept=is_swept)],
        () if is_swept else (HOW_TO_END,),
    )


def _rows(orphans: Orphans, *, is_swept: bool) -> Iterator[tuple[str, ...]]:
    kernel = "?" if orphans.run is None else str(orphans.run.kernel.pid)
    for worker in orphans.workers:
        told = "" if worker.process is None else _told(worker.process, orphans, is_swept=is_swept)
        yield (orphans.run_id, kernel, worker.name, worker.state, told)
    noted = {worker.process for worker in orphans.workers}
    for process in orphans.processes:
        if process not in noted:
            told = _told(process, orphans, is_swept=is_swept)
            yield (orphans.run_id, kernel, "", _what(process, orphans), told)
    if not orphans.workers and not orphans.processes:
        yield (orphans.run_id, kernel, "", "nothing runs", "")


def _what(process: Identity, orphans: Orphans) -> str:
    is_guardian = orphans.run is not None and process == orphans.run.guardian
    return "guardian" if is_guardian else "started by a worker"


def _told(process: Identity, orphans: Orphans, *, is_swept: bool) -> str:
    if process in orphans.survivors:
        return f"{process.pid} does not end"
    if process not in orphans.processes:
        return f"{process.pid} had ended"
    return f"{process.pid} {'ended' if is_swept else 'runs'}"
