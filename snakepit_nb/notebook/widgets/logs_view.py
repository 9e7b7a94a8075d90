"""Shows lines of log, as text and as static HTML."""

import html
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from snakepit_nb.blocking.short_text import plain_line, without_controls
from snakepit_nb.observations import LogEntry
from snakepit_nb.telemetry.log_ring import KERNEL

from .looks import FAILED_TONE, FAINT, MONOSPACE, TEXT, WARNING_TONE
from .status_view import counted
from .view_model import LogLine

LONGEST_NAME = 60
LONGEST_LINE = 200

_INDENT = "    "
_TABLE = f"table-layout:auto;border-collapse:collapse;margin:4px 0;{MONOSPACE};font-size:.92em"
_CELL = "padding:1px 12px 1px 0;text-align:left;vertical-align:top"
_WHOLE = f"{_CELL};white-space:nowrap"
_MESSAGE = f"{_CELL};white-space:pre-wrap;width:100%"
_TRACEBACK = "padding:1px 0 6px 2em;text-align:left;white-space:pre-wrap"


class LogsView:
    """Lines of log, oldest first, for the notebook to display."""

    def __init__(self, entries: Sequence[LogEntry], *, wanted: str | None, dropped: int) -> None:
        self._entries = entries
        of = "" if wanted is None else f" of {plain_line(wanted, LONGEST_NAME)}"
        self._title = f"{counted(len(entries), 'line')} of log{of}"
        self._note = f"{counted(dropped, 'older line')} not kept." if dropped else ""

    def __repr__(self) -> str:
        width = max((len(_worker(entry)) for entry in self._entries), default=0)
        lines = [self._title, *(_text(entry, width) for entry in self._entries), self._note]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        rows = "\n".join(_row(entry) for entry in self._entries)
        table = f'<table style="{_TABLE}"><tbody>\n{rows}\n</tbody></table>' if rows else ""
        note = f'<div style="{FAINT};font-size:.9em">{self._note}</div>'
        title = f"<b>{html.escape(self._title)}</b>"
        return f'<div style="text-align:left;{TEXT}">{title}{table}{note}</div>'


def log_line(entry: LogEntry) -> LogLine:
    """Returns an entry as a line for a view that shows the last few."""
    words = f"{_time(entry)} {_level(entry)} {_worker(entry)} {_logger(entry)}: {entry.message}"
    return LogLine(text=plain_line(words, LONGEST_LINE), tone=_tone(entry.level))


def _text(entry: LogEntry, width: int) -> str:
    """One line, below which the rest of its message and its traceback are indented."""
    first, *more = without_controls(entry.message).splitlines() or [""]
    named = f"  [{plain_line(entry.correlation_id, LONGEST_NAME)}]" if entry.correlation_id else ""
    more += without_controls(entry.traceback).splitlines()
    line = f"{_time(entry)} {_level(entry):<8} {_worker(entry):<{width}} {_logger(entry)}: {first}"
    return "\n".join([line + named, *(_INDENT + text for text in more)])


def _row(entry: LogEntry) -> str:
    logger = f'<span style="{FAINT}">{html.escape(_logger(entry))}:</span>'
    message = html.escape(without_controls(entry.message))
    named = html.escape(plain_line(entry.correlation_id, LONGEST_NAME))
    row = (
        f'<tr><td style="{_WHOLE};{FAINT}">{_time(entry)}</td>'
        f'<td style="{_WHOLE};{_tone(entry.level)}">{html.escape(_level(entry))}</td>'
        f'<td style="{_WHOLE}">{html.escape(_worker(entry))}</td>'
        f'<td style="{_MESSAGE}">{logger} {message}</td>'
        f'<td style="{_WHOLE};{FAINT}">{named}</td></tr>'
    )
    if not entry.traceback:
        return row
    traceback = html.escape(without_controls(entry.traceback).strip("\n"))
    return f'{row}\n<tr><td colspan="5" style="{_TRACEBACK}">{traceback}</td></tr>'


def _time(entry: LogEntry) -> str:
    seconds, milliseconds = divmod(entry.at // 1_000_000, 1000)
    local = datetime.fromtimestamp(seconds, tz=UTC).astimezone()
    return f"{local:%H:%M:%S}.{milliseconds:03}"


def _level(entry: LogEntry) -> str:
    return logging.getLevelName(entry.level) if entry.level else "-"  # stray output has none


def _worker(entry: LogEntry) -> str:
    return plain_line(entry.worker_id, LONGEST_NAME) or KERNEL


def _logger(entry: LogEntry) -> str:
    return plain_line(entry.logger, LONGEST_NAME)


def _tone(level: int) -> str:
    if level >= logging.CRITICAL:
        return f"color:{FAILED_TONE};font-weight:bold"
    if level >= logging.ERROR:
        return f"color:{FAILED_TONE}"
    if level >= logging.WARNING:
        return f"color:{WARNING_TONE}"
    return "" if level >= logging.INFO else FAINT
