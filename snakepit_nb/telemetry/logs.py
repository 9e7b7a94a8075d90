"""Log records of this process: each tells what it belongs to, and a sink may have them all.

The factory of records does both. A handler would be in the way of users: `logging.basicConfig` does
nothing where the root logger has one already.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any

from snakepit_nb.observations import LogEntry

from .correlation import current_label

CHATTERERS = frozenset(
    {"IPKernelApp", "asyncio", "comm", "ipykernel", "parso", "tornado", "traitlets"}
)
"""Loggers of which only warnings are for users: their debugging fills the log of every kernel."""

Sink = Callable[[LogEntry], object]

LABELS = frozenset({"correlation_id", "worker_id", "session_id"})


class _Fields(dict[str, Any]):
    """A record's fields, in which the labels do not count as taken.

    `logging` raises KeyError where a user's `extra` has a field that the record has already, and
    users call theirs `session_id` too. The user's stands then.
    """

    def __contains__(self, name: object) -> bool:
        return name not in LABELS and super().__contains__(name)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Travels to other processes as the plain dictionary that a record has there."""
        return dict, (dict(self),)


class _Labelling:
    """The factory in place of the one that was there before."""

    def __init__(self, make_record: Callable[..., logging.LogRecord]) -> None:
        self._make_record = make_record
        self._busy = threading.local()
        self.sink: Sink | None = None
        self.worker_id = ""

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._make_record(*args, **kwargs)
        correlation_id, worker_id, session_id = current_label() or ("", "", "")
        record.__dict__ = _Fields(
            record.__dict__,
            correlation_id=correlation_id,
            worker_id=worker_id or self.worker_id,
            session_id=session_id,
        )
        if self.sink is not None and _is_told(record) and not getattr(self._busy, "is_set", False):
            self._busy.is_set = True  # what the sink itself logs, or what a message's parts log
            try:
                self.sink(_entry(record))
            except Exception:  # noqa: BLE001 (a line of log shall fail nobody)
                if logging.raiseExceptions:  # as `logging` itself does with its handlers' errors
                    traceback.print_exc()
            finally:
                self._busy.is_set = False
        return record


def label_log_records(sink: Sink | None = None, *, worker_id: str = "") -> None:
    """Lets every record of this process carry `correlation_id`, `worker_id` and `session_id`.

    They are empty outside of calls, but for the worker's in a worker. The sink gets what the
    loggers' levels let through, from any thread. A second time only changes the sink.
    """
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _Labelling):
        factory = _Labelling(factory)
        logging.setLogRecordFactory(factory)
    factory.sink, factory.worker_id = sink, worker_id


def _is_told(record: logging.LogRecord) -> bool:
    """Leaves out what Jupyter tells itself of each message."""
    level: int | None = record.levelno
    if level is None:
        return False  # of `logging.makeLogRecord`, which fills the rest in later
    return level >= logging.WARNING or record.name.partition(".")[0] not in CHATTERERS


def _entry(record: logging.LogRecord) -> LogEntry:
    return LogEntry(
        at=round(record.created * 1e9),
        level=record.levelno,
        logger=record.name,
        message=_message(record),
        correlation_id=record.__dict__["correlation_id"],
        worker_id=record.__dict__["worker_id"],
        session_id=record.__dict__["session_id"],
        traceback=_traceback(record),
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 (users' formats and objects)
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{template} (its arguments do not fit: {type(error).__name__}: {_words(error)})"


def _words(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 (as above)
        return ""


def _traceback(record: logging.LogRecord) -> str:
    if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
