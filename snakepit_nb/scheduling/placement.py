"""Which of the workers with room suits a call best."""

from itertools import islice

from snakepit_nb.settings import Affinity, CapacityStrategy

from .affinity import SessionTable
from .queue import WaitingCall
from .roster import Roster, Worker

CHOICES = 32  # of thousands of workers, looking at a few spreads sessions as well


class Placement:
    """The session's worker first, else the least loaded; of equals the one longest idle."""

    def __init__(self, roster: Roster, sessions: SessionTable, strategy: CapacityStrategy) -> None:
        self._roster = roster
        self._sessions = sessions
        self._strategy = strategy

    def place(self, call: WaitingCall) -> Worker | None:
        """Returns the worker with room that suits the call best, if there is any."""
        if call.pinned_to is not None:
            return self._if_takes(self._roster.find(call.pinned_to), call)
        preferred = self._roster.find(self._sessions.preference_of(call.session_id))
        if self._if_takes(preferred, call) is not None and not self._is_avoided(preferred):
            return preferred
        candidates = (worker for worker in self._roster.with_room() if self._takes(worker, call))
        if call.session_id is None or call.affinity is Affinity.HINT:
            return next(candidates, None)
        return min(  # this one becomes the session's home: spread them
            islice(candidates, CHOICES),
            key=lambda worker: len(self._sessions.residents(worker.worker_id)),
            default=None,
        )

    def is_only_for_its_own(self, worker: Worker) -> bool:
        """Tells whether a worker takes only what cannot go elsewhere: it may be ill."""
        return worker.is_tainted and not self._roster.has_no_other(worker)

    def is_only_for_manual(self, worker: Worker) -> bool:
        """Tells whether what room there is belongs to those who take leases by hand."""
        is_profile = self._strategy is CapacityStrategy.PROFILE
        return is_profile and worker.load > len(worker.manual)

    def _is_avoided(self, worker: Worker | None) -> bool:
        return worker is not None and self.is_only_for_its_own(worker)

    def _if_takes(self, worker: Worker | None, call: WaitingCall) -> Worker | None:
        return worker if worker is not None and self._takes(worker, call) else None

    def _takes(self, worker: Worker, call: WaitingCall) -> bool:
        return worker.has_room and (call.is_manual or not self.is_only_for_manual(worker))
