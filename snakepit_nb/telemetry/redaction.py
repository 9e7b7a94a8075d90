"""Secrets that are known, taken out of what is logged and traced."""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from snakepit_nb.observations import LogEntry

SHORTEST = 6
"""Below so many characters, a secret's value is found by chance in texts that do not tell it."""
MOST_SECRETS = 256
HIDDEN = "[hidden]"

_TELLS_A_SECRET = re.compile(
    r"token|secret|passw|credential|(api|private|access|auth)_?key|authorization", re.IGNORECASE
)


class Redaction:
    """The secrets of this process, the last that it heard of."""

    def __init__(self) -> None:
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None
        # Reentrant: what is collected or signalled while it is held may log.
        self._lock = threading.RLock()

    def hide(self, secret: str) -> None:
        """Lets a secret, and each line of it, be taken out of all texts from now on."""
        for line in secret.splitlines():
            if len(line) >= SHORTEST:
                self._hide_line(line)

    def _hide_line(self, secret: str) -> None:
        with self._lock:
            self._secrets[secret] = self._pattern = None
            if len(self._secrets) > MOST_SECRETS:
                self._secrets.popitem(last=False)

    def hide_variables(self, environment: Mapping[str, str]) -> None:
        """Hides the values of those variables whose names tell a secret."""
        for name, value in environment.items():
            if _TELLS_A_SECRET.search(name):
                self.hide(value)

    def redacted(self, text: str) -> str:
        """Returns the text without the secrets; the same object where there is none in it."""
        if not self._secrets:
            return text
        pattern = self._pattern or self._compiled()
        return pattern.sub(HIDDEN, text) if pattern.search(text) else text

    def redacted_entry(self, entry: LogEntry) -> LogEntry:
        """Returns a line of log without the secrets; before it is cut, or half a one would stay."""
        message, traceback = self.redacted(entry.message), self.redacted(entry.traceback)
        if message is entry.message and traceback is entry.traceback:
            return entry
        return replace(entry, message=message, traceback=traceback)

    def _compiled(self) -> re.Pattern[str]:
        with self._lock:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            return self._pattern


redaction = Redaction()
