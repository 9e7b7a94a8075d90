"""The tables of the registry, and how entries are written to them and read from them."""

import os
import sqlite3
import time

from .identity import Identity
from .run_entries import RunEntry, WorkerEntry, WorkerState

Connection = sqlite3.Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    run_id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    start_ticks INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    uid INTEGER NOT NULL,
    host TEXT NOT NULL,
    guardian_pid INTEGER,
    guardian_start_ticks INTEGER,
    paths TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS worker (
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'active', 'terminating')),
    pid INTEGER,
    start_ticks INTEGER,
    updated REAL NOT NULL,
    PRIMARY KEY (run_id, name)
);
"""


def insert_run(connection: Connection, run: RunEntry) -> bool:
    """Adds a run unless it is there; tells whether it was not."""
    guardian = run.guardian
    values = (
        run.run_id,
        run.kernel.pid,
        run.kernel.start_ticks,
        run.kernel.boot_id,
        os.geteuid(),
        run.host,
        None if guardian is None else guardian.pid,
        None if guardian is None else guardian.start_ticks,
        "\n".join(run.paths),
        run.created,
    )
    marks = ", ".join("?" * len(values))
    return connection.execute(f"INSERT OR IGNORE INTO run VALUES ({marks})", values).rowcount == 1  # noqa: S608 (question marks)


def write_worker(connection: Connection, run_id: str, worker: WorkerEntry | str) -> None:
    """Puts a worker in the place of what was there of it; a name alone removes it."""
    if isinstance(worker, str):
        connection.execute("DELETE FROM worker WHERE run_id = ? AND name = ?", (run_id, worker))
        return
    process = worker.process
    numbers = (None, None) if process is None else (process.pid, process.start_ticks)
    connection.execute(
        "INSERT OR REPLACE INTO worker VALUES (?, ?, ?, ?, ?, ?)",
        (run_id, worker.name, worker.state, *numbers, time.time()),
    )


def delete_run(connection: Connection, run_id: str) -> None:
    """Removes a run with its workers."""
    connection.execute("DELETE FROM worker WHERE run_id = ?", (run_id,))
    connection.execute("DELETE FROM run WHERE run_id = ?", (run_id,))


def select_runs(connection: Connection) -> dict[str, tuple[RunEntry, tuple[WorkerEntry, ...]]]:
    """Reads all runs with their workers."""
    found = {}
    for row in connection.execute(
        "SELECT run_id, pid, start_ticks, boot_id, host, guardian_pid, guardian_start_ticks, "
        "paths, created FROM run ORDER BY created"
    ).fetchall():
        run_id, pid, start_ticks, boot_id, host, guardian_pid, guardian_ticks, paths, created = row
        run = RunEntry(
            run_id=run_id,
            kernel=Identity(pid=pid, start_ticks=start_ticks, boot_id=boot_id),
            host=host,
            created=created,
            guardian=_identity(guardian_pid, guardian_ticks, boot_id),
            paths=tuple(paths.splitlines()),
        )
        found[run_id] = (run, _select_workers(connection, run))
    return found


def _select_workers(connection: Connection, run: RunEntry) -> tuple[WorkerEntry, ...]:
    rows = connection.execute(
        "SELECT name, state, pid, start_ticks FROM worker WHERE run_id = ? ORDER BY name",
        (run.run_id,),
    )
    return tuple(
        WorkerEntry(
            name=name,
            state=WorkerState(state),
            process=_identity(pid, start_ticks, run.kernel.boot_id),
        )
        for name, state, pid, start_ticks in rows
    )


def _identity(pid: int | None, start_ticks: int | None, boot_id: str) -> Identity | None:
    if pid is None or start_ticks is None:
        return None
    return Identity(pid=pid, start_ticks=start_ticks, boot_id=boot_id)
