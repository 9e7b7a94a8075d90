"""The comms of a worker, by which its widgets talk to the front end.

Each belongs to the session whose code opened it. What it says goes out with what the session's
running code shows, in order with that, or beside all cells where none runs.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import comm
from comm.base_comm import BaseComm, CommManager
from ipykernel.jsonutil import json_clean
from jupyter_client.jsonutil import json_default

from snakepit_nb.calls import Beside, CommDelivery, CommMessage

from .session import Session

PutBeside = Callable[[Beside], bool]
_WIDGETS = "ipywidgets.widgets.widget"


class Comms:
    """All comms of the process, and the targets that its code has registered."""

    def __init__(self, current: Callable[[], Session | None], put_beside: PutBeside) -> None:
        self.manager = _Manager(self)
        self._current = current
        self._put_beside = put_beside
        self._targets: dict[str, Session] = {}

    def install(self) -> None:
        """Makes these the comms that code opens; an import of ipykernel's would take over."""
        comm.create_comm = self._create
        comm.get_comm_manager = self._get_manager

    def session_of(self, message: CommMessage) -> Session | None:
        """Returns whose code a message of the front end is for."""
        if message.kind == "comm_open":
            return self._targets.get(message.target_name)
        found = self.manager.comms.get(message.comm_id)
        return found.session if isinstance(found, SessionComm) else None

    def has_open(self, session: Session) -> bool:
        """Tells whether a session has comms."""
        return next(self._of(session), None) is not None

    def close(self, session: Session) -> None:
        """Closes what a session has opened, its widgets as they themselves do it."""
        widgets: Any = getattr(sys.modules.get(_WIDGETS), "_instances", {})
        for found in tuple(self._of(session)):
            widget = widgets.get(found.comm_id)
            if widget is not None:
                widget.close()
            found.close()
        for name in [name for name, owner in self._targets.items() if owner is session]:
            del self._targets[name]

    def hear(self, delivery: CommDelivery) -> None:
        """Hands a message of the front end to the code that it calls back."""
        message = delivery.message
        content = {
            "comm_id": message.comm_id,
            "data": json.loads(message.data),
            "target_name": message.target_name,
            "target_module": message.target_module or None,
        }
        handle = getattr(self.manager, message.kind)
        handle(
            None,
            None,
            {
                **json.loads(delivery.parent),
                "content": content,
                "metadata": json.loads(message.metadata),
                "buffers": [memoryview(buffer) for buffer in message.buffers],
            },
        )

    def publish(self, session: Session | None, message: CommMessage) -> None:
        """Sends a message to the front end."""
        speaker = self._current() or session
        if speaker is None or not speaker.showing.event(message):
            self._put_beside(message)

    def note_target(self, name: str) -> None:
        """Lets the front end open comms for which a session has registered a target."""
        session = self._current()
        if session is not None:
            self._targets[name] = session
            self.publish(session, CommMessage(kind="comm_target", target_name=name))

    def _of(self, session: Session) -> "Iterator[SessionComm]":
        for found in tuple(self.manager.comms.values()):
            if isinstance(found, SessionComm) and found.session is session:
                yield found

    def _create(self, *arguments: Any, **named: Any) -> "SessionComm":
        return SessionComm(self, self._current(), *arguments, **named)

    def _get_manager(self) -> CommManager:
        return self.manager


class SessionComm(BaseComm):
    """A comm that a session's code has opened, or the front end for it."""

    def __init__(
        self, comms: Comms, session: Session | None, *arguments: Any, **named: Any
    ) -> None:
        self.session = session
        self._comms = comms
        self._numbers = count()
        self._numbering = threading.Lock()
        super().__init__(*arguments, **named)

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Iterable[Any] | None = None,
        **keys: Any,
    ) -> None:
        """Sends a message to the front end."""
        message = CommMessage(
            kind=msg_type,
            comm_id=self.comm_id,
            data=_json({} if data is None else data),
            metadata=_json({} if metadata is None else metadata),
            buffers=tuple(memoryview(buffer).tobytes() for buffer in buffers or ()),
            target_name=keys.get("target_name") or "",
            target_module=keys.get("target_module") or "",
            number=self._next_number(),
        )
        self._comms.publish(self.session, message)

    def _next_number(self) -> int:
        with self._numbering:
            return next(self._numbers)


class _Manager(CommManager):
    def __init__(self, comms: Comms) -> None:
        super().__init__()
        self._comms = comms

    def register_target(self, target_name: str, f: Any) -> None:
        super().register_target(target_name, f)
        self._comms.note_target(target_name)


def _json(value: object) -> bytes:
    return json.dumps(json_clean(value), default=json_default).encode()
