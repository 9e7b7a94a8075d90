"""The ids of traces and spans, and the header that carries them (W3C Trace Context)."""

import os
import random
import re
from functools import lru_cache
from hashlib import blake2b

TRACE_HEADER = "traceparent"
LONGEST_ERROR = 1000
"""Cut once more for people, when secrets have been taken out."""

# A generator of our own: the system's would cost more than the rest of a span.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)

_CANCELLED = ("Cancelled", "CancelledError")
"""What these say is which of anyio's scopes was cancelled; why, the span around tells."""

_FORM = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@lru_cache(maxsize=256)
def trace_id_of(correlation_id: str) -> int:
    """Returns the trace id that belongs to a correlation id: 16 bytes of BLAKE2b.

    So all calls of one id are one trace, also where no span is around them, and a collector finds
    the trace by the id.
    """
    return int.from_bytes(blake2b(correlation_id.encode(), digest_size=16).digest())


def new_span_id() -> int:
    """Makes an id that is not 0."""
    return _random.getrandbits(64) or 1


def write_traceparent(trace_id: int, span_id: int) -> str:
    """Writes the header's value, for a trace that is recorded."""
    return f"00-{trace_id:032x}-{span_id:016x}-01"


def read_traceparent(value: str) -> tuple[int, int] | None:
    """Reads trace id and span id; None where it is not of the form."""
    found = _FORM.fullmatch(value)
    return None if found is None else (int(found[1], 16), int(found[2], 16))


def error_words(error: BaseException | None) -> str:
    """Says in a line what went wrong; nothing where nothing did."""
    if error is None:
        return ""
    name = type(error).__name__
    return name if name in _CANCELLED else named_error(name, _words(error))


def named_error(name: str, message: str) -> str:
    """As `error_words`, for an error of which only this is known."""
    first_line = message.partition("\n")[0]
    return (f"{name}: {first_line}" if first_line else name)[:LONGEST_ERROR]


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 (user code)
        return ""
