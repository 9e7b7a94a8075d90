"""Log records of this process: each tells what it belongs to, and a sink may have them all.

The factory of records does both. A handler would be in the way of users: `logging.basicConfig` does
nothing where the root logger has one already.
"""

import logging
import threading
import traceback
from collections.abc import Callable

from snakepit_nb.observations import LogEntry

from .correlation import current_label

CHATTERERS = frozenset(
    {"IPKernelApp", "asyncio", "comm", "ipykernel", "parso", "tornado", "traitlets"}
)
"""Loggers of which only warnings are for users: their debugging fills the log of every kernel."""

Sink = Callable[[LogEntry], object]


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
        record.correlation_id = correlation_id
        record.worker_id = worker_id or self.worker_id
        record.session_id = session_id
        if self.sink is not None and _is_told(record) and not getattr(self._busy, "is_set", False):
            self._busy.is_set = True  # what the sink itself logs, or what a message's parts log
            try:
                self.sink(_entry(record))
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
        return f"{record.msg!s} (its arguments do not fit: {error})"


def _traceback(record: logging.LogRecord) -> str:
    if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
