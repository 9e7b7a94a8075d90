"""The record that a worker keeps of its calls, for whoever reads it once the worker is dead.

It is a file of slots, one for each call that may run or whose reply may be underway. A slot holds
the call's id, and whether the user's code has begun (`S`) or ended (`E`): what was written survives
a SIGKILL, in the system's page cache.
"""

from snakepit_nb.errors import Progress
from snakepit_nb.identifiers import CallId

SLOT_BYTES = 40
BEGUN = b"S"
ENDED = b"E"

_ID_BYTES = SLOT_BYTES - len(BEGUN)


def slots_for(capacity: int) -> int:
    """Returns how many slots keep each call until the pool has surely heard of its end.

    The pool gives a worker no more than `capacity` calls before it has heard of the end of one, and
    slots are used again in the order in which they were left.
    """
    return 2 * capacity + 6


def write_slot(call_id: CallId) -> bytes:
    """Writes the slot of a call that begins; its first byte alone changes when it ends."""
    return BEGUN + _packed(call_id)


def read_progress(record: bytes, call_id: CallId) -> Progress:
    """Reads from a dead worker's whole record how far it came with a call."""
    wanted = _packed(call_id)
    for begin in range(0, len(record), SLOT_BYTES):
        slot = record[begin : begin + SLOT_BYTES]
        if slot[1:] == wanted:
            return Progress.FINISHED if slot[:1] == ENDED else Progress.STARTED
    return Progress.NOT_STARTED


def _packed(call_id: CallId) -> bytes:
    return call_id.encode()[:_ID_BYTES].ljust(_ID_BYTES, b"\0")
