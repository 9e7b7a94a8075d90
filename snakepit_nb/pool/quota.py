"""The warning that there will soon be as many sessions as may be."""

import logging

log = logging.getLogger(__name__)

WARN_AT = 0.8


class SessionQuota:
    """Warns once when four fifths of a limit are reached, and again after there were fewer."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._has_warned = False

    def note(self, number: int) -> None:
        """Takes in how many sessions there are now."""
        is_near = number >= WARN_AT * self.limit
        if is_near and not self._has_warned:
            log.warning(
                "there are %d sessions; no more than %d may be: end those that nobody needs",
                number,
                self.limit,
            )
        self._has_warned = is_near
