"""The calls that wait: first come first served, and some of them for one worker only."""

from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.settings import Affinity

K = TypeVar("K")
Group = TypeVar("Group", bound=MutableMapping[CallId, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCall:
    """A call and its place in the order. `pinned_to` is None where any worker will do."""

    call_id: CallId
    session_id: SessionId | None
    affinity: Affinity
    number: int
    pinned_to: WorkerId | None
    is_manual: bool = False
    is_cell: bool = False
    is_held: bool = False
    """Another cell of its session comes first."""
    is_chosen: bool = False
    """Its caller chose the worker: its session, if it has no home, settles there."""

    @property
    def lane(self) -> "Lane":
        """Where it stands: behind all others of the same wants."""
        return (self.pinned_to, self.is_manual, self.is_held)


Lane = tuple[WorkerId | None, bool, bool]


class CallQueue:
    """Keeps the order of arrival, and finds the next call for a given worker in constant time."""

    def __init__(self) -> None:
        self._calls: dict[CallId, WaitingCall] = {}
        # A plain dict would find its first key the slower, the more were deleted before it.
        self._lanes: dict[Lane, OrderedDict[CallId, None]] = {}
        self._unpinned: dict[SessionId, dict[CallId, None]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, call_id: CallId) -> WaitingCall:
        return self._calls[call_id]

    def __contains__(self, call_id: CallId) -> bool:
        return call_id in self._calls

    @property
    def call_ids(self) -> tuple[CallId, ...]:
        """The waiting calls, first come first."""
        return tuple(self._calls)

    def append(self, call: WaitingCall) -> None:
        """Puts a call behind all others."""
        self._calls[call.call_id] = call
        self._lanes.setdefault(call.lane, OrderedDict())[call.call_id] = None
        if call.pinned_to is None and call.session_id is not None:
            self._unpinned.setdefault(call.session_id, {})[call.call_id] = None

    def remove(self, call_id: CallId) -> WaitingCall:
        """Takes a call out, wherever it stands."""
        call = self._calls.pop(call_id)
        _discard(self._lanes, call.lane, call_id)
        if call.pinned_to is None and call.session_id is not None:
            _discard(self._unpinned, call.session_id, call_id)
        return call

    def next_for(
        self, worker_id: WorkerId, *, only_manual: bool, only_pinned: bool
    ) -> WaitingCall | None:
        """Returns the call that came first of those that this worker may run."""
        kinds = (True,) if only_manual else (True, False)
        wants = (worker_id,) if only_pinned else (worker_id, None)
        lanes = [(wanted, kind, False) for wanted in wants for kind in kinds]
        heads = [
            self._calls[next(iter(self._lanes[lane]))] for lane in lanes if lane in self._lanes
        ]
        return min(heads, key=lambda call: call.number, default=None)

    def waiting_for(self, worker_id: WorkerId) -> list[WaitingCall]:
        """Returns the calls that wait for this worker only."""
        lanes = product((worker_id,), (False, True), (False, True))
        return [self._calls[call_id] for lane in lanes for call_id in self._lanes.get(lane, ())]

    def pin(self, session_id: SessionId, worker_id: WorkerId) -> None:
        """Lets a session's calls that wait for any worker wait for this one, in the old order."""
        calls = [self._calls[call_id] for call_id in self._unpinned.pop(session_id, ())]
        self._change([replace(call, pinned_to=worker_id) for call in calls])

    def release(self, call_id: CallId) -> WaitingCall:
        """Lets a call run that was held, in its old place in the order."""
        call = replace(self._calls[call_id], is_held=False)
        self._change([call])
        return call

    def _change(self, calls: list[WaitingCall]) -> None:
        for call in calls:
            _discard(self._lanes, self._calls[call.call_id].lane, call.call_id)
            self._calls[call.call_id] = call
            self._lanes.setdefault(call.lane, OrderedDict())[call.call_id] = None
        for lane in {call.lane for call in calls}:
            in_order = sorted(self._lanes[lane], key=lambda call_id: self._calls[call_id].number)
            self._lanes[lane] = OrderedDict.fromkeys(in_order)


def _discard(groups: MutableMapping[K, Group], key: K, call_id: CallId) -> None:
    """Takes a call out of its group, and the group too when it was the last one."""
    del groups[key][call_id]
    if not groups[key]:
        del groups[key]
