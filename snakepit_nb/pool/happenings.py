"""What happened last to a pool and its workers, for whoever looks later."""

import time
from collections import deque

from .snapshot import Happening

REMEMBERED = 20


class Happenings:
    """The last of them."""

    def __init__(self) -> None:
        self._last: deque[Happening] = deque(maxlen=REMEMBERED)

    @property
    def last(self) -> tuple[Happening, ...]:
        """Those that are remembered, oldest first."""
        return tuple(self._last)

    def note(self, words: str) -> None:
        """Remembers one."""
        self._last.append(Happening(at=time.time_ns(), words=words))
