"""Which worker has which comm, and the ways of what comms say.

What a comm says while a cell or its own code runs comes with what that shows. The rest comes
beside, from the first cell of a worker on, and so does what code of cells shows when they have
ended. All is for one ear, the notebook's.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.calls import Beside, CellEvent, CommDelivery, CommMessage
from snakepit_nb.channel.channel import PutCellEvent
from snakepit_nb.errors import WorkerCrashedError, WorkerError
from snakepit_nb.identifiers import CallId, SessionId

from .pending_call import PendingCall
from .supervisor import LiveWorker

log = logging.getLogger(__name__)


class CommEar(Protocol):
    """Who hears what workers say beside cells; called on the pool's thread."""

    def hear(self, said: Beside) -> None:
        """Takes one thing that was said."""

    def lose(self, comm_ids: Sequence[str], because: str) -> None:
        """Takes that comms are gone."""


CommPlace = tuple[LiveWorker, SessionId | None]
"""Where code is called back, one message after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    worker: LiveWorker
    session_id: SessionId | None

    @property
    def place(self) -> CommPlace:
        return (self.worker, self.session_id)


class Comms:
    """The comms of one pool's workers."""

    def __init__(self, tasks: TaskGroup, calls: Mapping[CallId, PendingCall]) -> None:
        self.ear: CommEar | None = None
        self._tasks = tasks
        self._calls = calls
        self._turns: dict[CommPlace, anyio.Lock] = {}
        self._owners: dict[str, _Owner] = {}
        self._targets: dict[str, _Owner] = {}
        self._attended: set[LiveWorker] = set()

    def noting(
        self, worker: LiveWorker, session_id: SessionId | None, put: PutCellEvent
    ) -> PutCellEvent:
        """Returns a `put` that notes the comms of which it hears, and attends the worker."""
        if worker not in self._attended:
            self._attended.add(worker)
            self._tasks.start_soon(self._attend, worker)
        owner = _Owner(worker=worker, session_id=session_id)

        async def put_noted(event: CellEvent) -> None:
            if isinstance(event, CommMessage):
                self._note(owner, event)
            await put(event)

        return put_noted

    def is_kept_waiting(self, comm_id: str) -> bool:
        """Tells whether something runs where a comm's code would run; from any thread."""
        owner = self._owners.get(comm_id)
        if owner is None:
            return False
        worker, session_id = owner.worker, owner.session_id
        return any(
            call.worker_id == worker.worker_id
            and (worker.capacity == 1 or call.session_id == session_id)
            for call in tuple(self._calls.values())
        )

    async def send(self, delivery: CommDelivery, put: PutCellEvent) -> None:
        """Hands a message of the front end to a comm; returns when what it calls back is over."""
        message = delivery.message
        owner = self._owners.get(message.comm_id)
        if message.kind == "comm_open":
            owner = self._targets.get(message.target_name)
        if owner is None:
            return
        self._note(owner, message)
        put = self.noting(owner.worker, owner.session_id, put)
        try:
            async with self._turns.setdefault(owner.place, anyio.Lock()):  # in order
                await owner.worker.channel.send_comm(delivery, put)
        except WorkerCrashedError:
            owner.worker.is_gone = True  # its comms are closed when it is reaped

    async def interrupt(self, delivery: CommDelivery) -> None:
        """Interrupts the code that a message called back."""
        worker = self._worker_of(delivery)
        if worker is not None:
            await worker.channel.interrupt(delivery.call_id)

    async def kill(self, delivery: CommDelivery, because: str) -> None:
        """Kills the worker of the code that a message called back."""
        worker = self._worker_of(delivery)
        if worker is not None:
            await worker.kill(because, is_fault=False)

    def lose_worker(self, worker: LiveWorker) -> None:
        """Tells that a worker's comms are gone with it."""
        self._attended.discard(worker)
        for place in [place for place in self._turns if place[0] is worker]:
            del self._turns[place]
        because = worker.ended_because or "it ended"
        self._lose(lambda owner: owner.worker is worker, f"worker {worker.name} is gone: {because}")

    def lose_session(self, session_id: SessionId) -> None:
        """Tells that a session's comms are gone with it."""
        self._lose(
            lambda owner: owner.session_id == session_id, f"session {session_id!r} has ended"
        )

    async def _attend(self, worker: LiveWorker) -> None:
        """Listens to what a worker says beside cells until it is gone."""
        owner = _Owner(worker=worker, session_id=None)
        try:
            async with aclosing(worker.channel.beside()) as all_beside:
                async for said in all_beside:
                    if isinstance(said, CommMessage):
                        self._note(owner, said)
                    if self.ear is not None:
                        self.ear.hear(said)
        except WorkerError:
            pass  # it is gone or about to go, which its supervisor tells
        except Exception:  # raised on, it would end the pool with all that runs there
            log.exception("what worker %s says beside cells is not heard any more", worker.name)

    def _note(self, owner: _Owner, message: CommMessage) -> None:
        match message.kind:
            case "comm_open":
                self._owners[message.comm_id] = owner
            case "comm_close":
                self._owners.pop(message.comm_id, None)
            case "comm_target":
                self._targets[message.target_name] = owner
            case _:
                pass

    def _worker_of(self, delivery: CommDelivery) -> LiveWorker | None:
        owner = self._owners.get(delivery.message.comm_id)
        return None if owner is None else owner.worker

    def _lose(self, is_lost: Callable[[_Owner], bool], because: str) -> None:
        lost = [comm_id for comm_id, owner in self._owners.items() if is_lost(owner)]
        for comm_id in lost:
            del self._owners[comm_id]
        for name in [name for name, owner in self._targets.items() if is_lost(owner)]:
            del self._targets[name]
        if lost and self.ear is not None:
            self.ear.lose(lost, because)
