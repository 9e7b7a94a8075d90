"""The names by which everything is called, and the headers that carry them."""

from typing import NewType

WorkerId = NewType("WorkerId", str)
"""One incarnation of one worker place: `w0`, and `w0.1` after its first replacement."""
SessionId = NewType("SessionId", str)
CallId = NewType("CallId", str)
CorrelationId = NewType("CorrelationId", str)

CORRELATION_HEADER = "x-snakepit-correlation-id"
TOKEN_HEADER = "x-snakepit-token"  # noqa: S105 (the header's name)
SHOWN_HEADER = "x-snakepit-shown"
"""Of a host tool's call: how many messages of the cell that asks were sent before it."""
CORRELATION_KEY = "correlation_id"  # in a request's metadata
CALL_ID_KEY = "snakepit_call_id"  # in a request's metadata

LONGEST_CORRELATION_ID = 128


def correlation_id_from(randomness: bytes) -> CorrelationId:
    """Writes 12 random bytes as a correlation id: `sp-` and 24 hexadecimal digits."""
    return CorrelationId("sp-" + randomness.hex())


def is_correlation_id(text: str) -> bool:
    """Tells whether a text may travel as a correlation id: 1 to 128 printable ASCII characters."""
    return 0 < len(text) <= LONGEST_CORRELATION_ID and text.isascii() and text.isprintable()


WORKER_SESSION_PREFIX = "worker:"
"""Of the sessions that are the workers' own; no session of a user has a name that begins so."""


def place_name(worker: WorkerId) -> str:
    """Names a worker's place: `w0` for `w0` and for all that replace it."""
    return worker.partition(".")[0]


def worker_session(worker: WorkerId) -> SessionId:
    """Names the session that is a worker's own. Its place keeps the name, so a loss is noticed."""
    return SessionId(WORKER_SESSION_PREFIX + place_name(worker))


def worker_id(place: int, incarnation: int) -> WorkerId:
    """Names the given incarnation (from 0) of a worker place (from 0)."""
    return WorkerId(f"w{place}" if incarnation == 0 else f"w{place}.{incarnation}")
