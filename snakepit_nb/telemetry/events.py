"""What happens, told to whoever wants to hear it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

log = logging.getLogger(__name__)

POOL_CAPACITY_REACHED = "pool.capacity_reached"
"""A worker says that it is full. Measurements: `capacity`, `load` (the worker's count) and
`booked` (the pool's). Metadata: `pool`, `worker_id`, `profile`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    name: str
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Event], object]

_handlers: list[tuple[str, Handler]] = []


def on(pattern: str, handler: Handler) -> Callable[[], None]:
    """Calls the handler for each event whose name fits, such as `pool.*`; from any thread.

    Returns: what ends it.
    """
    entry = (pattern, handler)
    _handlers.append(entry)
    return lambda: _handlers.remove(entry)


def emit(event: Event) -> None:
    """Tells an event. A handler that raises changes nothing but a line in the log."""
    for pattern, handler in tuple(_handlers):
        if fnmatchcase(event.name, pattern):
            try:
                handler(event)
            except Exception:
                log.exception("a handler of %s failed", event.name)
