"""What always holds, in whatever order things happen: the scheduler against a pool's books.

`SNAKEPIT_RULES_EXAMPLES` sets how many stories of 100 steps are tried.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, assert_never

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.scheduling.decisions import (
    Decision,
    EndSession,
    GiveUpPlace,
    GrantLease,
    KillWorker,
    NoWorkers,
    QueueFull,
    Refusal,
    RefuseCall,
    SessionBusy,
    SessionExpired,
    SessionLost,
    StartWorker,
    StopWorker,
    TooManySessions,
    WorkerGone,
)
from snakepit_nb.scheduling.events import (
    CallAbandoned,
    CallEnded,
    CallSubmitted,
    Event,
    PoolResized,
    SessionEnded,
    TimePassed,
    WorkerCleared,
    WorkerDue,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
    WorkerTainted,
)
from snakepit_nb.scheduling.scheduler import START_TRIES, Scheduler
from snakepit_nb.scheduling.snapshot import WorkerState
from snakepit_nb.settings import Affinity, CapacityStrategy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

Item = TypeVar("Item")
Burst = tuple[SessionId | None, Affinity, bool, int]

TTL = 100.0
RESTARTS = 2
SESSIONS = [SessionId("red"), SessionId("blue")]
BURSTS = st.tuples(
    st.sampled_from([None, *SESSIONS]),
    st.sampled_from(Affinity),
    st.booleans(),
    st.integers(1, 3),
)


@dataclass(slots=True, kw_only=True)
class Call:
    """A call as the pool knows it. `pinned_to` is the only worker that may run it, if there is."""

    call_id: CallId
    session_id: SessionId | None
    affinity: Affinity
    pinned_to: WorkerId | None
    is_manual: bool = False
    is_cell: bool = False
    worker_id: WorkerId | None = None
    is_abandoned: bool = False
    number: int
    life: int

    def may_run_on(self, worker_id: WorkerId) -> bool:
        return self.pinned_to in (None, worker_id)


@dataclass(slots=True, kw_only=True)
class Process:
    """A worker as the pool knows it; its capacity is None while it starts."""

    capacity: int | None = None
    is_draining: bool = False
    is_tainted: bool = False
    is_due: bool = False
    is_stopped: bool = False
    is_killed: bool = False


def place_of(worker_id: WorkerId) -> str:
    return worker_id.partition(".")[0]


def one_of(items: "Callable[[PoolMachine], Iterable[Item]]") -> st.SearchStrategy[Item]:
    """Draws from what the machine holds at that moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(list(items(machine))))


class PoolMachine(RuleBasedStateMachine):
    """A pool that carries decisions out, and keeps books of its own to check them against."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 0
        self.processes: dict[WorkerId, Process] = {}
        self.waiting: dict[CallId, Call] = {}
        self.running: dict[CallId, Call] = {}
        self.past: list[CallId] = []
        self.served: set[str] = set()
        self.must_drain: list[Process] = []
        self.names_given: set[WorkerId] = set()
        self.homes: dict[SessionId, WorkerId] = {}
        self.untold: dict[SessionId, WorkerId | None] = {}  # None: it has expired
        self.idle_since: dict[SessionId, float] = {}
        self.lives: Counter[SessionId] = Counter()  # how often each began anew
        self.calls_made = 0
        self.now = 0.0

    @initialize(
        queue_size=st.sampled_from([8, 2, 0]),
        capacities=st.lists(st.integers(1, 2), min_size=1, max_size=2),
        strategy=st.sampled_from(CapacityStrategy),
    )
    def open(self, queue_size: int, capacities: list[int], strategy: CapacityStrategy) -> None:
        self.queue_size = queue_size
        self.strategy = strategy
        self.scheduler = Scheduler(
            queue_size=queue_size, session_ttl=TTL, strategy=strategy, restart_limit=RESTARTS
        )
        self.resize(len(capacities))
        for worker_id, capacity in zip(self.starting, capacities, strict=True):
            self.ready(worker_id, capacity)

    # What happens.

    @precondition(lambda self: self.is_interesting)
    @rule(workers=st.integers(0, 4))
    def resize(self, workers: int) -> None:
        self.wanted = workers
        for process in self.processes.values():
            process.is_due = False
        self.handle(PoolResized(workers=workers))

    @precondition(lambda self: self.starting)
    @rule(capacities=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
    def get_ready(self, capacities: list[int], data: st.DataObject) -> None:
        names = data.draw(st.permutations(self.starting))
        for worker_id, capacity in zip(names, capacities, strict=False):
            self.ready(worker_id, capacity)

    def ready(self, worker_id: WorkerId, capacity: int) -> None:
        self.processes[worker_id].capacity = capacity
        if not self.processes[worker_id].is_draining:
            self.served.add(place_of(worker_id))
            for name in self.due_at(place_of(worker_id)):
                self.processes[name].is_due = False
                if name not in self.homes.values():
                    self.must_drain.append(self.processes[name])
        self.handle(WorkerReady(worker_id=worker_id, capacity=capacity))
        assert all(process.is_draining for process in self.must_drain)
        self.must_drain.clear()

    @precondition(lambda self: self.processes and self.is_interesting)
    @rule(
        worker_id=one_of(lambda self: self.processes),
        is_given_up=st.booleans(),
        has_crashed=st.booleans(),
    )
    def gone(self, worker_id: WorkerId, *, is_given_up: bool, has_crashed: bool) -> None:
        if is_given_up and self.processes[worker_id].capacity is None:
            self.failed(worker_id)
        else:
            self.lost(worker_id, has_crashed=has_crashed)

    def failed(self, worker_id: WorkerId) -> None:
        is_draining = self.processes.pop(worker_id).is_draining
        due = self.due_at(place_of(worker_id))
        if is_draining:
            pass
        elif due:
            self.processes[due[0]].is_due = False
        elif place_of(worker_id) not in self.served:
            self.wanted -= 1
        self.handle(WorkerFailed(worker_id=worker_id))

    def due_at(self, place: str) -> list[WorkerId]:
        return [
            name
            for name, process in self.processes.items()
            if process.is_due and place_of(name) == place
        ]

    @precondition(lambda self: self.processes and self.is_interesting)
    @rule(worker_id=one_of(lambda self: self.processes))
    def due(self, worker_id: WorkerId) -> None:
        process = self.processes[worker_id]
        process.is_due |= process.capacity is not None and not process.is_draining
        self.handle(WorkerDue(worker_id=worker_id))

    @precondition(lambda self: self.processes)
    @rule(worker_id=one_of(lambda self: self.processes), is_tainted=st.booleans())
    def judged(self, worker_id: WorkerId, *, is_tainted: bool) -> None:
        self.processes[worker_id].is_tainted = is_tainted
        event = WorkerTainted if is_tainted else WorkerCleared
        self.handle(event(worker_id=worker_id))

    def lost(self, worker_id: WorkerId, *, has_crashed: bool) -> None:
        del self.processes[worker_id]
        dead = [call for call in self.running.values() if call.worker_id == worker_id]
        for call in dead:
            self.past.append(self.running.pop(call.call_id).call_id)
        self.give_up_sessions(worker_id)
        for call in dead:
            self.note_idle(call.session_id)
            if call.session_id is not None and self.untold.get(call.session_id) == worker_id:
                del self.untold[call.session_id]  # the death of the call told it
        self.handle(WorkerLost(worker_id=worker_id, has_crashed=has_crashed))

    @rule(
        comings=st.lists(BURSTS, max_size=3),
        goings=st.lists(st.integers(0, 11), max_size=4),
        now=st.floats(),  # clocks jump
    )
    def calls_come_and_go(self, comings: list[Burst], goings: list[int], now: float) -> None:
        self.now = now
        for session_id, affinity, is_cell, calls in comings:
            for _ in range(calls):
                self.submit(session_id, affinity, is_cell=is_cell and session_id is not None)
        for number in goings:
            live = [*self.running, *self.waiting]
            if live:
                self.end(live[number % len(live)])

    @rule(
        worker_id=one_of(lambda self: [None, *self.processes, WorkerId("nobody")]),
        leases=st.integers(1, 3),
    )
    def take_leases(self, worker_id: WorkerId | None, leases: int) -> None:
        for _ in range(leases):
            call = self.new_call(None, Affinity.HINT, worker_id, is_manual=True)
            self.handle(CallSubmitted(call_id=call.call_id, worker_id=worker_id, is_manual=True))

    def submit(self, session_id: SessionId | None, affinity: Affinity, *, is_cell: bool) -> None:
        home = None if session_id is None else self.homes.get(session_id)
        call = self.new_call(session_id, affinity, home)
        call.is_cell = is_cell
        if is_cell and affinity is Affinity.HINT:
            call.affinity = Affinity.STRICT_QUEUE
        must_be_told = session_id in self.untold
        self.handle(
            CallSubmitted(
                call_id=call.call_id, session_id=session_id, affinity=affinity, is_cell=is_cell
            )
        )
        assert not (must_be_told and session_id in self.untold)
        if session_id is not None and call.call_id not in self.past:
            self.idle_since.pop(session_id, None)

    def new_call(
        self,
        session_id: SessionId | None,
        affinity: Affinity,
        pinned_to: WorkerId | None,
        *,
        is_manual: bool = False,
    ) -> Call:
        self.calls_made += 1
        call = Call(
            call_id=CallId(f"c{self.calls_made}"),
            session_id=session_id,
            affinity=affinity,
            pinned_to=pinned_to,
            is_manual=is_manual,
            number=self.calls_made,
            life=0 if session_id is None else self.lives[session_id],
        )
        self.waiting[call.call_id] = call
        return call

    def end(self, call_id: CallId) -> None:
        call = (self.running if call_id in self.running else self.waiting).pop(call_id)
        self.past.append(call_id)
        self.note_idle(call.session_id)
        self.handle(CallEnded(call_id=call_id))

    def note_idle(self, session_id: SessionId | None) -> None:
        live = [*self.running.values(), *self.waiting.values()]
        if session_id in self.homes and session_id not in {call.session_id for call in live}:
            self.idle_since.setdefault(session_id, self.now)

    @precondition(lambda self: self.running)
    @rule(call_id=one_of(lambda self: self.running))
    def abandon(self, call_id: CallId) -> None:
        self.running[call_id].is_abandoned = True
        self.handle(CallAbandoned(call_id=call_id))

    @precondition(lambda self: self.processes and self.is_interesting)
    @rule(worker_id=one_of(lambda self: self.processes), is_replaced=st.booleans())
    def retire(self, worker_id: WorkerId, is_replaced: bool) -> None:  # noqa: FBT001 (hypothesis draws it)
        here = [p for name, p in self.processes.items() if place_of(name) == place_of(worker_id)]
        if not is_replaced and not self.processes[worker_id].is_draining:
            self.wanted -= any(not (each.is_due or each.is_draining) for each in here)
        self.handle(WorkerRetired(worker_id=worker_id, is_replaced=is_replaced))

    @precondition(lambda self: self.homes)
    @rule(now=st.floats(0, 1000))
    def look_what_expired(self, now: float) -> None:
        self.now = now
        self.handle(TimePassed())

    @precondition(lambda self: self.past)
    @rule(call_id=one_of(lambda self: [*self.past, CallId("unknown")]))
    def end_late(self, call_id: CallId) -> None:
        before = self.scheduler.snapshot()
        assert self.scheduler.handle(CallEnded(call_id=call_id), self.now) == []
        assert repr(self.scheduler.snapshot()) == repr(before)  # not ==: nan is a time, too

    @precondition(lambda self: self.homes or self.untold)
    @rule(session_id=one_of(lambda self: [*self.homes, *self.untold]))
    def end_session(self, session_id: SessionId) -> None:
        self.homes.pop(session_id, None)
        self.untold.pop(session_id, None)
        self.handle(SessionEnded(session_id=session_id))

    # What the pool does about it.

    def handle(self, event: Event) -> None:
        decisions = self.scheduler.handle(event, self.now)
        self.snapshot = self.scheduler.snapshot()
        self.note_drains()
        for decision in decisions:
            self.carry_out(decision, event)
        self.check()  # after every event, where hypothesis would only look after every rule

    def carry_out(self, decision: Decision, event: Event) -> None:
        match decision:
            case GiveUpPlace(worker_id=worker_id, crashes=crashes):
                assert worker_id not in self.processes
                is_lost = isinstance(event, WorkerLost) and event.has_crashed
                assert crashes > (RESTARTS if is_lost else START_TRIES)
                self.wanted -= 1
            case GrantLease(call_id=call_id, worker_id=worker_id, holds_state=holds_state):
                call = self.waiting[call_id]
                assert holds_state == (call.session_id is not None and call.pinned_to is not None)
                self.run(call, worker_id)
            case RefuseCall(call_id=call_id, reason=reason):
                self.check_refusal(self.waiting[call_id], reason, event)
                del self.waiting[call_id]
                self.past.append(call_id)
            case _:
                self.carry_out_on_processes(decision)

    def carry_out_on_processes(
        self, decision: StartWorker | StopWorker | KillWorker | EndSession
    ) -> None:
        match decision:
            case StartWorker(worker_id=worker_id):
                assert worker_id not in self.names_given
                self.names_given.add(worker_id)
                self.processes[worker_id] = Process()
            case StopWorker(worker_id=worker_id):
                assert not self.processes[worker_id].is_stopped
                self.processes[worker_id].is_stopped = True
            case KillWorker(worker_id=worker_id):
                assert self.processes[worker_id].is_draining
                self.processes[worker_id].is_killed = True
            case EndSession(session_id=session_id, worker_id=worker_id):
                assert self.now - self.idle_since.pop(session_id) > TTL
                assert self.homes.pop(session_id) == worker_id
                self.untold[session_id] = None
            case _:
                assert_never(decision)

    def note_drains(self) -> None:
        for worker in self.snapshot.workers:
            process = self.processes.get(worker.worker_id)
            is_draining = worker.state is WorkerState.DRAINING
            if process is None or process.is_draining == is_draining:
                continue
            assert is_draining, "a worker that drains never comes back"
            process.is_draining, process.is_due = True, False
            self.give_up_sessions(worker.worker_id)

    def give_up_sessions(self, worker_id: WorkerId) -> None:
        """From now on a session of this worker has no home, and is to be told so."""
        for session_id in [s for s, home in self.homes.items() if home == worker_id]:
            del self.homes[session_id]
            self.idle_since.pop(session_id, None)
            held = [call for call in self.calls_of(session_id) if self.is_held(call)]
            if all(call.pinned_to == worker_id for call in held):  # which are refused now
                self.lives[session_id] += 1
            self.untold[session_id] = worker_id

    def run(self, call: Call, worker_id: WorkerId) -> None:
        process = self.processes[worker_id]
        assert not process.is_draining
        assert process.capacity is not None
        assert self.has_room_for(call, worker_id)
        assert call is next(
            other
            for other in self.waiting.values()
            if other.may_run_on(worker_id) and self.has_room_for(other, worker_id)
        )
        # Those that waited when the user ended the session still run where its state was.
        assert call.pinned_to is not None or call.session_id not in self.untold
        assert not self.is_held(call)
        call.worker_id = worker_id
        self.running[call.call_id] = self.waiting.pop(call.call_id)
        if call.session_id is None or call.pinned_to is not None:
            return
        if call.affinity is not Affinity.HINT:
            assert call.session_id not in self.homes
            self.homes[call.session_id] = worker_id
            for follower in self.waiting.values():
                if follower.session_id == call.session_id and follower.pinned_to is None:
                    follower.pinned_to = worker_id

    def calls_of(self, session_id: SessionId) -> list[Call]:
        live = [*self.running.values(), *self.waiting.values()]
        return [call for call in live if call.session_id == session_id]

    def is_held(self, call: Call) -> bool:
        """Whether another cell of its session, in the same life of it, comes first."""
        return call.is_cell and any(
            other.is_cell and other.life == call.life and other.number < call.number
            for other in self.calls_of(call.session_id or SessionId(""))
        )

    def has_room_for(self, call: Call, worker_id: WorkerId) -> bool:
        if self.is_held(call):
            return False
        process = self.processes[worker_id]
        if process.capacity is None or process.is_draining:
            return False
        if process.is_tainted and call.pinned_to is None and not self.all_are_tainted:
            return False
        here = [other for other in self.running.values() if other.worker_id == worker_id]
        is_reserved = self.strategy is CapacityStrategy.PROFILE and not call.is_manual
        if is_reserved and not all(other.is_manual for other in here):
            return False
        return len(here) < process.capacity

    @property
    def all_are_tainted(self) -> bool:
        staying = [process for process in self.processes.values() if not process.is_draining]
        return all(process.is_tainted for process in staying)

    def check_refusal(self, call: Call, reason: Refusal, event: Event) -> None:
        is_submitted = isinstance(event, CallSubmitted) and event.call_id == call.call_id
        match reason:
            case QueueFull(size=size):
                assert is_submitted
                assert len(self.waiting) - 1 == size == self.queue_size
            case NoWorkers():
                assert self.wanted == 0
            case WorkerGone(worker_id=worker_id):
                assert call.session_id is None
                assert call.pinned_to == worker_id
                assert worker_id not in self.processes or self.processes[worker_id].is_draining
            case TooManySessions():
                raise AssertionError("this pool has no limit")
            case _:
                self.check_session_refusal(call, reason, is_submitted=is_submitted)

    def check_session_refusal(
        self,
        call: Call,
        reason: SessionBusy | SessionExpired | SessionLost,
        *,
        is_submitted: bool,
    ) -> None:
        session_id = reason.session_id
        assert session_id == call.session_id
        match reason:
            case SessionBusy(worker_id=worker_id):
                assert is_submitted
                assert call.affinity is Affinity.STRICT_FAIL_FAST
                assert self.homes[session_id] == worker_id
                assert not self.has_room_for(call, worker_id)
            case SessionExpired():
                assert is_submitted
                assert self.untold.pop(session_id) is None
            case SessionLost(worker_id=worker_id):
                known = self.untold[session_id] if is_submitted else call.pinned_to
                assert known == worker_id
                if self.untold.get(session_id) == worker_id:
                    del self.untold[session_id]
            case _:
                assert_never(reason)

    @property
    def is_interesting(self) -> bool:
        """Whether a change of the workers has a call, or the want of any worker, to deal with."""
        return bool(self.running or self.waiting or not self.wanted)

    @property
    def starting(self) -> list[WorkerId]:
        return [name for name, process in self.processes.items() if process.capacity is None]

    def load(self, worker_id: WorkerId) -> int:
        return sum(call.worker_id == worker_id for call in self.running.values())

    # What always holds.

    def check(self) -> None:
        self.the_ledger_is_what_the_pool_does()
        self.there_are_as_many_workers_as_wanted()
        self.nobody_waits_for_a_worker_that_has_room()
        self.nobody_waits_for_a_worker_that_will_not_come()
        self.the_queue_is_no_longer_than_it_may()
        self.a_draining_worker_is_ended_as_soon_as_nothing_wanted_runs_there()

    def the_ledger_is_what_the_pool_does(self) -> None:
        assert self.snapshot.queued == tuple(self.waiting)
        assert {worker.worker_id for worker in self.snapshot.workers} == self.processes.keys()
        for worker in self.snapshot.workers:
            assert worker.calls == tuple(
                call.call_id for call in self.running.values() if call.worker_id == worker.worker_id
            )
            assert worker.load == len(worker.calls) <= worker.capacity
            assert set(worker.sessions) == {
                s for s, home in self.homes.items() if home == worker.worker_id
            }

    def there_are_as_many_workers_as_wanted(self) -> None:
        ends = [process.is_draining or process.is_due for process in self.processes.values()]
        assert ends.count(False) == self.wanted

    def nobody_waits_for_a_worker_that_has_room(self) -> None:
        assert not [
            (call, name)
            for call in self.waiting.values()
            for name in self.processes
            if call.may_run_on(name) and self.has_room_for(call, name)
        ]

    def nobody_waits_for_a_worker_that_will_not_come(self) -> None:
        for call in self.waiting.values():
            if call.pinned_to is None:
                assert self.wanted > 0
            else:
                assert not self.processes[call.pinned_to].is_draining

    def the_queue_is_no_longer_than_it_may(self) -> None:
        assert len(self.waiting) <= self.queue_size

    def a_draining_worker_is_ended_as_soon_as_nothing_wanted_runs_there(self) -> None:
        for name, process in self.processes.items():
            here = [call for call in self.running.values() if call.worker_id == name]
            is_idle = process.capacity is not None and not here
            assert process.is_stopped == (process.is_draining and is_idle)
            is_given_up = bool(here) and all(call.is_abandoned for call in here)
            assert process.is_killed or not (process.is_draining and is_given_up)


EXAMPLES = int(os.environ.get("SNAKEPIT_RULES_EXAMPLES", "2000"))

TestScheduler = PoolMachine.TestCase
TestScheduler.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault
)
