"""Tells the scheduler what happens to calls and workers, and carries out what it decides."""

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, assert_never

import anyio
from anyio.abc import TaskGroup

from snakepit_nb.errors import PoolClosedError, SnakepitError, WorkerError
from snakepit_nb.identifiers import CallId, CorrelationId, SessionId, WorkerId
from snakepit_nb.launch.launcher import Launcher, WorkerExit
from snakepit_nb.scheduling.decisions import (
    Decision,
    EndSession,
    GiveUpPlace,
    GrantLease,
    KillWorker,
    RefuseCall,
    SessionExpired,
    SessionLost,
    StartWorker,
    StopWorker,
)
from snakepit_nb.scheduling.events import (
    CallAbandoned,
    CallEnded,
    Event,
    PoolResized,
    TimePassed,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)
from snakepit_nb.scheduling.retry import RetryBudget
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.scheduling.snapshot import WorkerState
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.bus import wanted
from snakepit_nb.telemetry.correlation import belong_to
from snakepit_nb.telemetry.events import SessionLost as SessionLossTold

from .circuits import Circuits
from .comms import Comms
from .health import Health
from .held_up import HeldUp
from .launch_spec import launch_spec
from .observing import Observing
from .pending_call import PendingCall
from .quota import SessionQuota
from .refusals import refusal_error
from .supervisor import Connect, LiveWorker, open_worker
from .telling import Telling
from .worker_events import WorkerEvents
from .worker_telling import WorkerTelling

log = logging.getLogger(__name__)

REMEMBERED_PROBLEMS = 20
REMEMBERED_NAMES = 10_000  # sessions
LOOKS_PER_TTL = 10
LONGEST_LOOK_SECONDS = 60.0
TAKES_SESSIONS = (WorkerLost, WorkerFailed, WorkerRetired, CallAbandoned, PoolResized)
"""The events by which sessions may lose their homes."""


class SessionWatcher(Protocol):
    """Who keeps something of sessions and workers, and lets it go with them."""

    def session_gone(self, session_id: SessionId) -> None:
        """A session has ended, has expired, or has lost its worker."""

    def worker_gone(self, worker_id: WorkerId) -> None:
        """A worker has ended."""


class Dispatch:
    """The calls and the live workers of a pool, on its loop."""

    watcher: SessionWatcher | None = None

    def __init__(
        self, settings: PoolSettings, launcher: Launcher, connect: Connect, tasks: TaskGroup
    ) -> None:
        self.settings = settings
        self.scheduler = Scheduler(
            queue_size=settings.queue_size,
            session_ttl=settings.session_ttl,
            session_limit=settings.session_limit,
            strategy=settings.capacity_strategy,
            restart_limit=settings.restart_limit,
        )
        self.calls: dict[CallId, PendingCall] = {}
        self.held_up = HeldUp(self.calls, self.scheduler, settings.name)
        self.workers: dict[WorkerId, LiveWorker] = {}
        self.problems: deque[str] = deque(maxlen=REMEMBERED_PROBLEMS)
        self.names: dict[SessionId, tuple[str, ...]] = {}
        """The variables of sessions, as their last cells left them."""
        self.retries = RetryBudget()
        self.finished = 0
        self.last_correlation_id: CorrelationId | None = None
        self.is_closed = False
        self.tasks = tasks
        self.telling = Telling(settings)
        self.worker_telling = WorkerTelling(settings)
        self.circuits = Circuits(settings, self.worker_telling)
        self.worker_events = WorkerEvents(settings.name)
        self.comms = Comms(tasks, self.calls)
        self.health = Health(settings, self.scheduler, self.tell, self.worker_telling)
        self.observing = Observing(settings, self.scheduler, self.wake, self.worker_telling)
        self._quota = SessionQuota(settings.session_limit)
        self._launcher = launcher
        self._connect = connect
        self._starting = anyio.Semaphore(settings.start_batch)
        self._changed: anyio.Event | None = None  # there is one while somebody waits for it

    def close(self) -> None:
        """Refuses what waits and what comes."""
        self.is_closed = True
        for call in self.calls.values():
            if call.worker_id is None:
                call.refuse(self._closed_error(call.correlation_id))

    def tell(self, event: Event) -> None:
        """Lets the scheduler decide and carries it out, with no await between the two."""
        if isinstance(event, TAKES_SESSIONS) and (self.watcher or wanted(SessionLossTold)):
            self._tell_with_losses(event)
            return
        for decision in self.scheduler.handle(event, time.monotonic()):
            self._carry_out(decision)
        if self._changed is not None:
            self.wake()
        self.held_up.check()

    def _tell_with_losses(self, event: Event) -> None:
        """As `tell`, and tells the world which sessions lost their homes by it."""
        homes = self.scheduler.homes
        for decision in self.scheduler.handle(event, time.monotonic()):
            self._carry_out(decision)
        left = self.scheduler.homes
        lost = {s: home for s, home in homes.items() if left.get(s) != home}
        self.telling.sessions_lost(lost)
        for session_id in lost:
            self.session_gone(session_id)
        self.wake()
        self.held_up.check()

    def wake(self) -> None:
        """Lets those look again who wait in `until`."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when something happened by which the condition holds."""
        while not condition():
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()

    def enter(self, call: PendingCall) -> None:
        """Notes a call that is about to be submitted.

        Raises:
            PoolClosedError: the pool takes no more.
        """
        if self.is_closed:
            raise self._closed_error(call.correlation_id)
        self.calls[call.call_id] = call
        self.held_up.enter(call)
        self.last_correlation_id = call.correlation_id
        self.telling.call_submitted(call)
        if call.session_id is not None:
            call.names = self.names.get(call.session_id, ())

    def leave(self, call: PendingCall, worker: LiveWorker | None) -> None:
        """Notes that a call is over."""
        del self.calls[call.call_id]
        self.held_up.leave(call)
        call.end_asks()
        self.finished += 1
        self.give_back(call, worker)

    def give_back(self, call: PendingCall, worker: LiveWorker | None) -> None:
        """Frees a call's share of the worker, if it got one, or its place in the queue."""
        if worker is not None and worker.is_gone:
            # Before its share is free, lest the next call be sent to a dead worker.
            self.tell(_lost(worker.worker_id, worker))
        if call.is_abandoned:
            self.wake()
        else:
            self.tell(CallEnded(call_id=call.call_id))

    def note_names(self, session_id: SessionId, names: tuple[str, ...]) -> None:
        """Keeps the names of a session's variables, for the day it is lost."""
        self.names[session_id] = names
        if len(self.names) > REMEMBERED_NAMES:
            del self.names[next(iter(self.names))]

    def session_gone(self, session_id: SessionId) -> None:
        """Tells the watcher that a session has ended, has expired or has lost its worker."""
        if self.watcher is not None:
            self.watcher.session_gone(session_id)

    def abandon(self, call: PendingCall) -> None:
        """Gives up a call that its worker cannot stop: the worker ends once its others have."""
        call.is_abandoned = True
        self.tell(CallAbandoned(call_id=call.call_id))
        if call.worker_id is not None:
            load = self.scheduler.load_of(call.worker_id)
            self.worker_telling.worker_retired(call.worker_id, load, "a call did not stop")

    async def watch_sessions(self) -> None:
        """Lets sessions expire."""
        if self.settings.session_ttl is None:
            return
        while True:
            await anyio.sleep(min(LONGEST_LOOK_SECONDS, self.settings.session_ttl / LOOKS_PER_TTL))
            self.tell(TimePassed())

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case GrantLease():
                call = self.calls[decision.call_id]
                call.accept(decision.worker_id, holds_state=decision.holds_state)
                if call.session_id is not None:
                    self.telling.session_at(
                        call.session_id, self.scheduler.home_of(call.session_id)
                    )
                    self._quota.note(self.scheduler.session_number)
            case RefuseCall():
                self._refuse(decision)
            case EndSession():
                self.telling.session_expired(decision.session_id, decision.worker_id)
                self.session_gone(decision.session_id)
                self.tasks.start_soon(self._free_session, decision)
            case _:
                self._carry_out_on_worker(decision)

    def _carry_out_on_worker(
        self, decision: StartWorker | StopWorker | KillWorker | GiveUpPlace
    ) -> None:
        match decision:
            case StartWorker():
                self.tasks.start_soon(self._supervise, decision.worker_id)
            case StopWorker() | KillWorker():
                worker = self.workers.get(decision.worker_id)
                if worker is not None:
                    self._end(worker, at_once=isinstance(decision, KillWorker))
            case GiveUpPlace():
                self._give_up(decision)
            case _:
                assert_never(decision)

    def _give_up(self, decision: GiveUpPlace) -> None:
        cause = f" The problem before this: {self.problems[-1]}\n" if self.problems else " "
        problem = (
            f"Worker {decision.worker_id} was the last of {decision.crashes} in its place that "
            f"ended within a minute: none is started any more.{cause}Then: %snakepit scale N."
        )
        log.warning("%s", problem)
        self.problems.append(problem)
        self.worker_telling.place_given_up(decision.worker_id, decision.crashes)

    def _end(self, worker: LiveWorker, *, at_once: bool) -> None:
        if at_once:
            because = "a call did not stop when it was interrupted"
            self.tasks.start_soon(partial(worker.kill, because, is_fault=False))
        else:
            worker.stop_soon()

    def _refuse(self, decision: RefuseCall) -> None:
        call = self.calls[decision.call_id]
        if isinstance(decision.reason, SessionLost | SessionExpired):
            self.names.pop(decision.reason.session_id, None)
        call.refuse(
            refusal_error(
                decision.reason,
                pool=self.settings.name,
                problems=tuple(self.problems),
                names=call.names,
                correlation_id=call.correlation_id,
            )
        )

    async def _supervise(self, worker_id: WorkerId) -> None:
        """Attends one worker for its whole life."""
        belong_to(None)  # not to the call behind whose decision it was started
        spec, since = launch_spec(self.settings, worker_id), time.monotonic()
        try:
            async with open_worker(spec, self._launcher, self._connect, self._starting) as worker:
                self.workers[worker_id] = worker
                self.worker_telling.worker_started(worker, since)
                self.tell(WorkerReady(worker_id=worker_id, capacity=worker.capacity))
                self._tell_ready()
                self.tasks.start_soon(self.observing.attend, worker)  # to its last word
                ended = await worker.live(
                    self.settings.stop_grace,
                    partial(self.worker_events.attend, worker),
                    partial(self.health.attend, worker),
                )
                self._note_end(worker, ended)
        except WorkerError as error:
            self.problems.append(str(error))
            self.worker_telling.worker_start_failed(worker_id, since, error)
            self.tell(WorkerFailed(worker_id=worker_id))
            self._tell_ready()
        finally:
            gone = self.workers.pop(worker_id, None)
            if gone is not None:
                self.comms.lose_worker(gone)
                if self.watcher is not None:
                    self.watcher.worker_gone(worker_id)
            self.tell(_lost(worker_id, gone))

    def _tell_ready(self) -> None:
        ledger = self.scheduler.snapshot()
        starting = sum(worker.state is WorkerState.STARTING for worker in ledger.workers)
        self.worker_telling.pool_ready(
            starting=starting, workers=len(self.workers), capacity=ledger.capacity
        )

    async def _free_session(self, decision: EndSession) -> None:
        worker = self.workers.get(decision.worker_id)
        if worker is None:
            return
        try:
            freed = await worker.channel.end_session(decision.session_id)
            self.telling.session_cleaned(decision.session_id, decision.worker_id, freed)
            self.comms.lose_session(decision.session_id)
        except SnakepitError as error:
            log.warning("session %s was not freed: %s", decision.session_id, error)

    def _note_end(self, worker: LiveWorker, ended: WorkerExit) -> None:
        self.worker_telling.worker_ended(worker, ended)
        because = worker.ended_because
        if because and worker.was_to_end:
            log.info("worker %s ended: %s", worker.worker_id, because)
            return
        how = f"was killed: {because}" if because else f"ended by itself with {ended}"
        log.warning("worker %s %s", worker.worker_id, how)
        self.problems.append(f"Worker {worker.worker_id} {how}.")

    def _closed_error(self, correlation_id: CorrelationId) -> PoolClosedError:
        return PoolClosedError(
            f"Pool {self.settings.name!r} is stopped. Start it again: %snakepit start.",
            correlation_id=correlation_id,
        )


def _lost(worker_id: WorkerId, worker: LiveWorker | None) -> WorkerLost:
    has_crashed = worker is not None and not worker.was_to_end
    return WorkerLost(worker_id=worker_id, has_crashed=has_crashed)
