"""What the worker's calls send through shared memory, until it was taken or nobody wants it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def of(self, call_id: CallId) -> Iterator[Outgoing]:
        """Lets a call send. What it has sent stays where it is if it ends well."""
        outgoing = self.end.outgoing()
        self._open[call_id] = None
        try:
            yield outgoing
        except Exception:
            raise  # what a stream has sent before its error, is still to be read
        except BaseException:  # nobody reads any more
            outgoing.discard()
            raise
        finally:
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
