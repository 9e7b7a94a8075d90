"""The worker's end of its black box: which calls have begun here, and which have ended."""

import logging
import mmap
import os
from collections import deque
from pathlib import Path

from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.black_box import ENDED, SLOT_BYTES, slots_for, write_slot

log = logging.getLogger(__name__)


class BlackBox:
    """Notes the calls of one worker, from any of its threads. See `snakepit_nb.wire.black_box`.

    Where there is no room for it there is no box: no record is better than a wrong one.
    """

    def __init__(self, path: str, capacity: int) -> None:
        size = slots_for(capacity) * SLOT_BYTES
        self._free = deque(range(0, size, SLOT_BYTES))
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(opened, "w+b") as file:
                file.write(bytes(size))  # whole, so that the disk may be full later
                file.flush()
                # Mapped: a write would let go of the interpreter's lock, twice in each call.
                self._slots: mmap.mmap | bytearray = mmap.mmap(file.fileno(), size)
        except OSError as error:
            log.warning("no record of calls is kept: %s", error.strerror)
            Path(path).unlink()
            self._slots = bytearray(size)

    def begin(self, call_id: CallId) -> int:
        """Notes that the user's code begins; returns what `end` wants to know."""
        slot = self._free.popleft()
        self._slots[slot : slot + SLOT_BYTES] = write_slot(call_id)
        return slot

    def end(self, slot: int) -> None:
        """Notes that the user's code has ended, well or not."""
        self._slots[slot : slot + len(ENDED)] = ENDED
        self._free.append(slot)
