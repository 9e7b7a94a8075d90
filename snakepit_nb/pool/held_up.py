"""The calls that wait for a worker while other calls wait for them, by way of a host tool."""

from collections.abc import Mapping

from snakepit_nb.identifiers import CallId
from snakepit_nb.scheduling.scheduler import Scheduler

from .deadlock import find_stuck
from .pending_call import PendingCall
from .refusals import deadlock_error


class HeldUp:
    """Refuses such a call when it could never run."""

    def __init__(
        self, calls: Mapping[CallId, PendingCall], scheduler: Scheduler, pool: str
    ) -> None:
        self._calls = calls
        self._scheduler = scheduler
        self._pool = pool
        self._asked: dict[CallId, PendingCall] = {}

    def enter(self, call: PendingCall) -> None:
        """Notes a call."""
        if call.on_behalf_of:
            self._asked[call.call_id] = call

    def leave(self, call: PendingCall) -> None:
        """Notes that a call is over."""
        self._asked.pop(call.call_id, None)

    def check(self) -> None:
        """Looks whether one is stuck, whenever the ledger may have changed."""
        if not self._asked:
            return
        waiting = {name: call for name, call in self._asked.items() if call.is_held_up}
        stuck = find_stuck(
            {call_id: call.on_behalf_of for call_id, call in waiting.items()},
            {call_id: self._needed_by(call_id) for call_id in waiting},
        )
        if stuck is not None:
            waiting[stuck].refuse(deadlock_error(waiting[stuck], pool=self._pool))

    def _needed_by(self, call_id: CallId) -> set[CallId] | None:
        holders = self._scheduler.needed_by(call_id)
        return None if holders is None else set(map(self._running, holders))

    def _running(self, holder: CallId) -> CallId:
        """Returns the call that holds a share: on a lease, the one that runs there."""
        call = self._calls.get(holder)
        return holder if call is None or call.leased is None else call.leased.call_id
