"""The last lines of log of this kernel and of its workers, in a bounded space."""

import logging
import threading
import time
from collections import deque
from contextlib import suppress

from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.observations import LogEntry, shortened, worker_name

from .json_lines import JsonLines
from .redaction import redaction

log = logging.getLogger(__name__)

KEPT_ENTRIES = 10_000
STRAY = "stderr"
"""The logger of what was written without one."""
KERNEL = "kernel"
"""What the kernel is called where workers have their ids."""


class LogRing:
    """Takes lines from any thread, and lets the oldest go for them."""

    def __init__(self, *, kept: int = KEPT_ENTRIES) -> None:
        self._entries: deque[LogEntry] = deque()
        self._kept = kept
        self._dropped = 0
        self._file: JsonLines | None = None
        # Reentrant: what is collected or signalled while it is held may log too.
        self._lock = threading.RLock()

    @property
    def dropped(self) -> int:
        """How many lines were let go, here or on their way."""
        return self._dropped

    def add(self, entry: LogEntry) -> None:
        """Keeps a line, without the secrets in it."""
        entry = shortened(redaction.redacted_entry(entry))
        with self._lock:
            self._entries.append(entry)
            if len(self._entries) > self._kept:
                self._entries.popleft()
                self._dropped += 1
            if self._file is not None:
                self._write(self._file, entry)

    def write_to(self, file: JsonLines | None) -> None:
        """Lets a file have each line from now on, or none any more."""
        with self._lock:
            before, self._file = self._file, file
        if before is not None:
            before.close()

    def note_dropped(self, number: int) -> None:
        """Counts lines that a worker could not send."""
        with self._lock:
            self._dropped += number

    def find(
        self, wanted: str | None = None, *, level: int = 0, number: int
    ) -> tuple[LogEntry, ...]:
        """Returns the last `number` lines, of this level or above, by the time they were written.

        Args:
            wanted: A correlation id, a worker's id or `kernel`; None means all.
            level: As `logging` counts them; stray output has 0.
            number: At least 1.
        """
        fitting = (each for each in self._all() if each.level >= level and _is_of(each, wanted))
        # Sorted, for workers' lines come in batches, later than the kernel's own.
        return tuple(sorted(fitting, key=lambda each: each.at)[-number:])

    def workers(self) -> tuple[str, ...]:
        """Returns whose lines are here: workers' ids and `kernel`, the last first."""
        return tuple(dict.fromkeys(each.worker_id or KERNEL for each in self._all()[::-1]))

    def correlation_ids(self) -> tuple[str, ...]:
        """Returns the ids that lines here have, the last first."""
        ids = dict.fromkeys(each.correlation_id for each in self._all()[::-1])
        return tuple(each for each in ids if each)

    def _write(self, file: JsonLines, entry: LogEntry) -> None:
        try:
            file.write(entry)
        except OSError:
            self._file = None
            with suppress(OSError):  # what is still to be written has no room either
                file.close()
            log.warning("the log is not written to its file any more", exc_info=True)

    def _all(self) -> tuple[LogEntry, ...]:
        with self._lock:
            return tuple(self._entries)


def level_number(level: str | int) -> int:
    """Returns a level as `logging` counts them: `"warning"` is 30.

    Raises:
        UsageError: there is none of this name.
    """
    if isinstance(level, int):
        return level
    numbers = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
    if level.lower() not in numbers:
        raise UsageError(f"There is no level {level!r}: {nearest(level.lower(), numbers)}")
    return numbers[level.lower()]


def _is_of(entry: LogEntry, wanted: str | None) -> bool:
    worker = entry.worker_id or KERNEL
    return wanted is None or wanted in (entry.correlation_id, worker, worker.rpartition("/")[2])


logs = LogRing()
"""Those of this process."""


def keep_stray_line(pool: str, worker_id: str, line: str) -> None:
    """Keeps what a worker wrote outside of cells, by itself or through C code."""
    if line.strip():
        worker = worker_name(pool, worker_id)
        logs.add(LogEntry(at=time.time_ns(), level=0, logger=STRAY, message=line, worker_id=worker))
