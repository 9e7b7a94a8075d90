"""The file that tells the next kernel what this one has started, should this one not clean up.

All kernels of a user share it. It is not on the path of any call: a worker's life costs three short
transactions. Each is on the disk before its method returns.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TypeVar

from .file_lock import locked
from .registry_rows import SCHEMA, delete_run, insert_run, select_runs, write_worker
from .run_entries import RunEntry, WorkerEntry
from .state_directory import make_state_directory

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = sqlite3.Connection

BUSY_SECONDS = 2.0
"""How long another kernel's transaction is waited for; it takes milliseconds."""
VERSION = 1
FILE_NAME = "registry.db"
COMPANIONS = ("-wal", "-shm")
"""What SQLite keeps beside the file while somebody uses it."""

_ASIDE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""What says that this is no registry: damaged, no database, or without our tables."""


class RegistryProblem(Exception):  # noqa: N818 (a problem: workers start all the same)
    """The registry cannot be read or written; the message says why."""


class Registry:
    """One process's way to the file. Any thread may use it; a fork gets a way of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.path = state / FILE_NAME
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._opened_file: os.stat_result | None = None
        self._of_process = os.getpid()
        self._inherited: list[Connection | None] = []

    def __repr__(self) -> str:
        return f"<Registry {str(self.path)!r}>"

    def save(self, run: RunEntry, changed: Iterable[WorkerEntry], removed: Iterable[str]) -> bool:
        """Writes what has changed of a run. Tells whether the run itself was not there yet.

        Raises:
            RegistryProblem: it is not written.
        """

        def work(connection: Connection) -> bool:
            is_new = insert_run(connection, run)
            for worker in changed:
                write_worker(connection, run.run_id, worker)
            for name in removed:
                write_worker(connection, run.run_id, name)
            return is_new

        return self._transact(work)

    def forget(self, run_id: str) -> None:
        """Removes a run with its workers.

        Raises:
            RegistryProblem: it is not removed.
        """
        self._transact(lambda connection: delete_run(connection, run_id))

    def runs(self) -> dict[str, tuple[RunEntry, tuple[WorkerEntry, ...]]]:
        """Returns all runs with their workers, by id.

        Raises:
            RegistryProblem: they cannot be read.
        """
        return self._transact(select_runs)

    def close(self) -> None:
        """Closes the file; it is opened again when it is used again."""
        with self._lock:
            self._disconnect()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._lock:
            try:
                try:
                    return self._attempt(work)
                except sqlite3.Error as error:
                    if _code(error) not in _ASIDE:
                        raise
                    self._set_aside(error)
                return self._attempt(work)
            except (OSError, sqlite3.Error) as error:
                self._disconnect()
                raise RegistryProblem(str(error)) from error

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            return work(connection)

    def _connected(self) -> Connection:
        if self._of_process != os.getpid():
            # Not closed: that would touch the locks and files of the process that forked.
            self._inherited.append(self._connection)
            self._connection, self._of_process = None, os.getpid()
        if self._connection is not None and not self._is_unmoved():
            self._disconnect()
        if self._connection is None:
            make_state_directory(self.state)
            with locked(self.path.with_suffix(".lock"), seconds=BUSY_SECONDS):
                if not self.path.exists():
                    self._remove_companions()
                self._connection = _open(self.path)
            self._opened_file = self.path.stat()
        return self._connection

    def _is_unmoved(self) -> bool:
        """Tells whether the file that is open is still the one that others will find."""
        with suppress(OSError):
            opened = self._opened_file
            return opened is not None and os.path.samestat(opened, self.path.stat())
        return False

    def _remove_companions(self) -> None:
        """Removes what a deleted file has left: who still uses it must not share it with us."""
        for suffix in COMPANIONS:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Renames a file that is no registry, unless another kernel has done so already."""
        self._disconnect()
        with locked(self.path.with_suffix(".lock"), seconds=BUSY_SECONDS):
            if _is_sound(self.path):
                return
            aside = f"{self.path}.damaged-{time.time_ns()}"
            for suffix in (*COMPANIONS, ""):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        log.warning("the registry %s was damaged (%s): it is now %s", self.path, error, aside)


def _is_sound(path: Path) -> bool:
    try:
        with closing(_open(path)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check").fetchone()
            select_runs(connection)
            return bool(found == "ok")
    except sqlite3.Error:
        return False


def _open(path: Path) -> Connection:
    with ExitStack() as opened:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        opened.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
        elif version != VERSION:
            raise OSError(f"{path} is of another version of snakepit_nb")
        opened.pop_all()
        return connection


def _code(error: sqlite3.Error) -> int:
    """Returns the primary code; the library's own complaints have none."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code & 0xFF
