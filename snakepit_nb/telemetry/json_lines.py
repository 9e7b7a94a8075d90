"""Lines of log as JSON in a file, one object each, for the tools that read logs so."""

import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from snakepit_nb.errors import UsageError
from snakepit_nb.observations import LogEntry


class JsonLines:
    """Appends to one file.

    Raises:
        UsageError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file = (
                Path(path)
                .expanduser()
                .open(
                    "a",
                    encoding="utf-8",
                    errors="backslashreplace",  # how JSON writes a lone surrogate
                    buffering=1,
                )
            )
        except OSError as error:
            raise UsageError(f"The log cannot be written to {path!r}: {error.strerror}.") from None

    def write(self, entry: LogEntry) -> None:
        """Writes a line.

        Raises:
            OSError: there is no room, or the like.
        """
        told = {name: value for name, value in asdict(entry).items() if value != ""}
        told["at"] = datetime.fromtimestamp(entry.at / 1e9, tz=UTC).isoformat()
        told["level"] = logging.getLevelName(entry.level)
        self._file.write(json.dumps(told, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Ends it."""
        self._file.close()
