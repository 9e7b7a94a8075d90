"""How a pool's snapshot looks: all of it, what runs, and its sessions."""

from collections.abc import Sequence

from snakepit_nb.pool.snapshot import CallSnapshot, PoolSnapshot, WorkerStatus

from .table import Table


def status_view(snapshot: PoolSnapshot, notes: Sequence[str] = ()) -> Table:
    """Shows the workers, what runs and what waits, and what else there is to say."""
    return Table(
        _summary(snapshot),
        ("worker", "state", "load", "pid", "sessions", "runs"),
        [_worker(worker) for worker in snapshot.workers],
        [*notes, *_notes(snapshot)],
    )


def calls_view(snapshot: PoolSnapshot) -> Table:
    """Shows what runs now, where, and what waits."""
    running = [(worker.worker_id, call) for worker in snapshot.workers for call in worker.calls]
    rows = [*running, *(("waits", call) for call in snapshot.queued)]
    return Table(
        f"Pool {snapshot.name!r}: {len(running)} running, {len(snapshot.queued)} queued",
        ("worker", "runs", "since", "session", "id"),
        [
            (where, call.what, f"{call.seconds:.1f} s", call.session_id or "", call.correlation_id)
            for where, call in rows
        ],
    )


def sessions_view(snapshot: PoolSnapshot) -> Table:
    """Shows the sessions whose variables live in workers."""
    return Table(
        f"Pool {snapshot.name!r}: {counted(len(snapshot.sessions), 'session')}",
        ("session", "worker", "variables"),
        [
            (session.session_id, session.worker_id, _shortened(session.names))
            for session in snapshot.sessions
        ],
    )


def counted(number: int, noun: str) -> str:
    """Says how many there are: `1 worker`, `2 workers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _summary(snapshot: PoolSnapshot) -> str:
    busy = sum(worker.load for worker in snapshot.workers)
    capacity = sum(worker.capacity for worker in snapshot.workers)
    workers = counted(len(snapshot.workers), "worker")
    return (
        f"Pool {snapshot.name!r}: {workers}, load {busy}/{capacity}, "
        f"{len(snapshot.queued)} queued, {snapshot.finished} finished"
    )


def _worker(worker: WorkerStatus) -> Sequence[str]:
    return (
        worker.worker_id,
        worker.state,
        _load(worker),
        "" if worker.pid is None else str(worker.pid),
        ", ".join(worker.sessions),
        ", ".join(_call(call) for call in worker.calls),
    )


def _load(worker: WorkerStatus) -> str:
    load = f"{worker.load}/{worker.capacity}"
    if worker.counted_load in (None, worker.load):
        return load
    return f"{load} (it counts {worker.counted_load})"


def _call(call: CallSnapshot) -> str:
    overdue = " over its time" if call.is_overdue else ""
    return f"{call.what} {call.seconds:.1f} s{overdue} {call.correlation_id}"


def _notes(snapshot: PoolSnapshot) -> list[str]:
    notes = [f"waits: {_call(call)}" for call in snapshot.queued]
    if snapshot.last_correlation_id is not None:
        notes.append(f"last call: {snapshot.last_correlation_id}")
    notes += [f"tool {tool}: its circuit is {state}" for tool, state in snapshot.circuits.items()]
    notes += [f"problem: {problem}" for problem in snapshot.problems]
    return notes


def _shortened(names: tuple[str, ...], shown: int = 12) -> str:
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")
