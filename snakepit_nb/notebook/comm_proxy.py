"""The kernel's end of a comm whose code lives in a worker.

It stands in the kernel's list of comms under the worker's id, so the front end, a page that is
loaded again and the saved notebook see a comm of the kernel.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from snakepit_nb.calls import CommMessage

Parent = Mapping[str, Any]
Said = tuple[CommMessage, Parent]
"""A message, and the message of the front end to which it answers."""


@dataclass(slots=True, kw_only=True, eq=False)
class CommProxy:
    """What the kernel's comm manager calls when the front end speaks."""

    comm_id: str
    target_name: str
    parent: Parent
    """What its worker answered to when it opened the comm."""
    tell_worker: Callable[["CommProxy", str, Mapping[str, Any]], None]
    """Takes this, the kind of a message of the front end, and the message."""
    route: Callable[[str | None], str | None]
    """Takes the subshell that would hear the front end, and returns the one that shall."""
    pool: object
    primary: bool = False
    _closed: bool = False  # the comm manager's
    _next: int | None = 0
    _held: dict[int, Said] = field(default_factory=dict)
    _ordering: threading.Lock = field(default_factory=threading.Lock)

    def handle_msg(self, message: Mapping[str, Any]) -> None:
        """Passes on what the front end says, and returns when the worker's code has heard it."""
        self.tell_worker(self, "comm_msg", message)

    def handle_close(self, message: Mapping[str, Any]) -> None:
        """Passes on that the front end has closed the comm."""
        self.tell_worker(self, "comm_close", message)

    def _reply_subshell_for(self, _data: object, default: str | None) -> str | None:
        """Tells ipykernel, from 7.4 on, which of its threads shall hear the front end."""
        return self.route(default)

    def say(self, said: Said, publish: Callable[[CommMessage, Parent], None]) -> None:
        """Publishes what the worker says, in the order in which it was said.

        What is said with a cell and what is said beside come on different ways.
        """
        with self._ordering:
            if self._next is None:
                self._next = said[0].number
            self._held[said[0].number] = said
            while self._next in self._held:
                publish(*self._held.pop(self._next))
                self._next += 1

    def catch_up(self, publish: Callable[[CommMessage, Parent], None]) -> None:
        """Waits no more for what was said and will not come."""
        with self._ordering:
            for number in sorted(self._held):
                publish(*self._held.pop(number))
            self._next = None


def content_of(message: CommMessage) -> dict[str, Any]:
    """Returns the content of a message for the front end."""
    content = {"data": json.loads(message.data), "comm_id": message.comm_id}
    if message.kind == "comm_open":
        content["target_name"] = message.target_name
        content["target_module"] = message.target_module or None
    return content
