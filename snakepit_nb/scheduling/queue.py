"""The calls that wait: first come first served, and some of them for one worker only."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCall:
    """A call and its place in the order. `pinned_to` is None where any worker will do."""

    call_id: CallId
    session_id: SessionId | None
    affinity: Affinity
    number: int
    pinned_to: WorkerId | None


class CallQueue:
    """Keeps the order of arrival, and finds the next call for a given worker in constant time."""

    def __init__(self) -> None:
        self._calls: dict[CallId, WaitingCall] = {}
        # A plain dict would find its first key the slower, the more were deleted before it.
        self._lanes: dict[WorkerId | None, OrderedDict[CallId, None]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, call_id: CallId) -> bool:
        return call_id in self._calls

    @property
    def call_ids(self) -> tuple[CallId, ...]:
        """The waiting calls, first come first."""
        return tuple(self._calls)

    def append(self, call: WaitingCall) -> None:
        """Puts a call behind all others."""
        self._calls[call.call_id] = call
        self._lanes.setdefault(call.pinned_to, OrderedDict())[call.call_id] = None

    def remove(self, call_id: CallId) -> None:
        """Takes a call out, wherever it stands."""
        call = self._calls.pop(call_id)
        lane = self._lanes[call.pinned_to]
        del lane[call_id]
        if not lane:
            del self._lanes[call.pinned_to]

    def next_for(self, worker_id: WorkerId) -> WaitingCall | None:
        """Returns the call that came first of those that this worker may run."""
        heads = [
            self._calls[next(iter(lane))]
            for lane in (self._lanes.get(worker_id), self._lanes.get(None))
            if lane
        ]
        return min(heads, key=lambda call: call.number, default=None)

    def waiting_for(self, worker_id: WorkerId | None) -> list[WaitingCall]:
        """Returns the calls that wait for this worker only (None: for any), first come first."""
        return [self._calls[call_id] for call_id in self._lanes.get(worker_id, ())]

    def pin(self, session_id: SessionId, worker_id: WorkerId) -> None:
        """Lets a session's calls that wait for any worker wait for this one, in the old order."""
        pinned = [call for call in self.waiting_for(None) if call.session_id == session_id]
        if not pinned:
            return
        for call in pinned:
            del self._lanes[None][call.call_id]
            self._calls[call.call_id] = replace(call, pinned_to=worker_id)
        lane = sorted(
            [*self.waiting_for(worker_id), *pinned],
            key=lambda call: call.number,
        )
        self._lanes[worker_id] = OrderedDict.fromkeys(call.call_id for call in lane)
