"""What the worker's calls send through shared memory, until it was taken or nobody wants it."""

from collections import deque
from types import TracebackType

import anyio

from snakepit_nb.identifiers import CallId
from snakepit_nb.wire.buffers import BufferEnd, Outgoing

REMEMBERED = 64
"""How many of the calls that nobody waits for are known as such."""


class Sending:
    """The segments of all calls. It belongs to the serving thread."""

    def __init__(self, end: BufferEnd) -> None:
        self.end = end
        self._open: dict[CallId, anyio.Event | None] = {}
        """With an event where somebody waits for the call's end."""
        self._untaken: dict[CallId, Outgoing] = {}
        self._forgotten: deque[CallId] = deque(maxlen=REMEMBERED)

    def of(self, call_id: CallId) -> "Sent":
        """Lets a call send. What it has sent stays where it is if it ends well."""
        return Sent(self, call_id)

    def begin(self, call_id: CallId) -> Outgoing:
        """Notes a call that is about to send."""
        self._open[call_id] = None
        return self.end.outgoing()

    def finish(self, call_id: CallId, outgoing: Outgoing) -> None:
        """Notes that a call sends no more."""
        ended = self._open.pop(call_id, None)
        if ended is not None:
            ended.set()
        if call_id in self._forgotten:
            outgoing.discard()
        elif outgoing.untaken():
            self._keep(call_id, outgoing)

    async def forget(self, call_id: CallId) -> None:
        """Removes what a call has sent, once it sends no more: nobody waits for it.

        One that is still to come, since gRPC may hand over calls in another order, will leave
        nothing either.
        """
        self._forgotten.append(call_id)
        if call_id in self._open:
            ended = self._open[call_id] = self._open[call_id] or anyio.Event()
            await ended.wait()
        left = self._untaken.pop(call_id, None)
        if left is not None:
            left.discard()

    def _keep(self, call_id: CallId, outgoing: Outgoing) -> None:
        for earlier, left in tuple(self._untaken.items()):
            if not left.untaken():
                del self._untaken[earlier]
        self._untaken[call_id] = outgoing


class Sent:
    """What one call sends within a `with`. A class, since each call has one."""

    __slots__ = ("_call_id", "_outgoing", "_sending")

    def __init__(self, sending: Sending, call_id: CallId) -> None:
        self._sending = sending
        self._call_id = call_id

    def __enter__(self) -> Outgoing:
        self._outgoing = self._sending.begin(self._call_id)
        return self._outgoing

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        # What a stream has sent before an error of its own, is still to be read.
        if error is not None and not isinstance(error, Exception):
            self._outgoing.discard()  # nobody reads any more
        self._sending.finish(self._call_id, self._outgoing)
