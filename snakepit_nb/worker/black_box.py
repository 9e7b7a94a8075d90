"""The worker's end of its black box: which calls have begun here, and which have ended."""

import logging
import os
from collections import deque
from contextlib import suppress
from pathlib import Path

from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.black_box import ENDED, SLOT_BYTES, slots_for, write_slot

log = logging.getLogger(__name__)


class BlackBox:
    """Notes the calls of one worker, from any of its threads. See `snakepit_nb.wire.black_box`.

    A box that cannot be written any more is removed: no record is better than a wrong one.
    """

    def __init__(self, path: str, capacity: int) -> None:
        self._path = path
        slots = slots_for(capacity)
        self._free = deque(range(0, slots * SLOT_BYTES, SLOT_BYTES))
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Whole, so that the disk may be full later.
        self._write(bytes(slots * SLOT_BYTES), 0)

    def begin(self, call_id: CallId) -> int:
        """Notes that the user's code begins; returns what `end` wants to know."""
        slot = self._free.popleft()
        self._write(write_slot(call_id), slot)
        return slot

    def end(self, slot: int) -> None:
        """Notes that the user's code has ended, well or not."""
        self._write(ENDED, slot)
        self._free.append(slot)

    def _write(self, data: bytes, at: int) -> None:
        if self._file < 0:
            return
        try:
            os.pwrite(self._file, data, at)
        except OSError as error:
            log.warning("no record of calls is kept any more: %s", error.strerror)
            with suppress(OSError):
                os.ftruncate(self._file, 0)  # for who has it open
                os.close(self._file)
            self._file = -1
            with suppress(OSError):
                Path(self._path).unlink()
