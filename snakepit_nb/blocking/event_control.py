"""What a user says of the workers' events, checked."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from snakepit_nb.errors import UsageError
from snakepit_nb.observations import EventControl


def changed_control(
    before: EventControl,
    *,
    enabled: bool | None,
    sampling: float | None,
    sampled: Sequence[str] | None,
    allow: Sequence[str] | None,
    deny: Sequence[str] | None,
) -> EventControl:
    """Returns a control with what is given in place of what was; a share beyond 0 and 1 is those.

    Raises:
        UsageError: the patterns are one text, or the share is no number.
    """
    changes: dict[str, Any] = {
        name: _patterns(name, patterns)
        for name, patterns in (("sampled", sampled), ("allow", allow), ("deny", deny))
        if patterns is not None
    }
    if enabled is not None:
        changes["enabled"] = bool(enabled)
    if sampling is not None:
        changes["sampling"] = _share(sampling)
    return replace(before, **changes)


def _patterns(name: str, patterns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(patterns, str) or not all(isinstance(each, str) for each in patterns):
        raise UsageError(f"{name} {patterns!r}: give a list of patterns, such as ['tool.*'].")
    return tuple(patterns)


def _share(sampling: object) -> float:
    if not isinstance(sampling, int | float) or math.isnan(sampling):
        raise UsageError(f"sampling {sampling!r}: give a number from 0 to 1.")
    return float(min(max(sampling, 0.0), 1.0))
