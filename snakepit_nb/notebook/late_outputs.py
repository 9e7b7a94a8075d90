"""What tasks and threads of cells show when their cells have ended, each in its own cell."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from snakepit_nb.calls import LateOutput

from .comm_proxy import Parent
from .event_messages import message_of

Send = Callable[[str, object, Parent], None]


class LateOutputs:
    """Sends it when it comes, but never before what the cell itself has shown."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._shown: Counter[str] = Counter()  # the cells that are not over here
        self._held: dict[str, list[LateOutput]] = {}
        self._ordering = threading.RLock()

    def show(self, late: LateOutput) -> None:
        """Shows one thing, from any thread."""
        parent: Parent = json.loads(late.parent)
        with self._ordering:
            if self._shown[_message_id(parent)]:
                self._held.setdefault(_message_id(parent), []).append(late)
                return
            message = message_of(late.event)
            if message is not None:
                self._send(*message, parent)

    def hold(self, parent: Mapping[str, Any]) -> None:
        """Holds back what belongs to a cell, which is being shown from now on."""
        with self._ordering:
            self._shown[_message_id(parent)] += 1

    def release(self, parent: Mapping[str, Any]) -> None:
        """Shows what was held back: all of the cell itself is shown."""
        name = _message_id(parent)
        with self._ordering:
            self._shown[name] -= 1
            if not self._shown[name]:
                del self._shown[name]
                for late in self._held.pop(name, ()):
                    self.show(late)

    @contextmanager
    def behind(self, parent: Mapping[str, Any]) -> Iterator[None]:
        """Shows a cell within the `with`."""
        self.hold(parent)
        try:
            yield
        finally:
            self.release(parent)


def _message_id(parent: Mapping[str, Any]) -> str:
    name: str = parent.get("header", {}).get("msg_id", "")
    return name
