"""Stories of one pool: what comes in, and what the scheduler decides."""

from snakepit_nb.identifiers import CallId, SessionId, WorkerId
from snakepit_nb.scheduling.affinity import REMEMBERED, SessionTable
from snakepit_nb.scheduling.decisions import (
    Decision,
    EndSession,
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
    PoolResized,
    SessionEnded,
    TimePassed,
    WorkerDue,
    WorkerFailed,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.scheduling.snapshot import WorkerState
from snakepit_nb.settings import Affinity, CapacityStrategy

HINT, STRICT, FAIL_FAST = Affinity.HINT, Affinity.STRICT_QUEUE, Affinity.STRICT_FAIL_FAST


class Story:
    """A pool of workers `w0`, `w1`, ... that are ready with these capacities."""

    def __init__(
        self,
        *capacities: int,
        queue_size: int = 10,
        ttl: float | None = None,
        session_limit: int | None = None,
        strategy: CapacityStrategy = CapacityStrategy.POOL,
    ) -> None:
        self.scheduler = Scheduler(
            queue_size=queue_size,
            session_ttl=ttl,
            session_limit=session_limit,
            strategy=strategy,
        )
        self.now = 0.0
        self.resize(len(capacities))
        for place, capacity in enumerate(capacities):
            self.ready(f"w{place}", capacity)

    def resize(self, workers: int) -> list[Decision]:
        return self.scheduler.handle(PoolResized(workers=workers), self._tick())

    def ready(self, worker: str, capacity: int = 1) -> list[Decision]:
        event = WorkerReady(worker_id=WorkerId(worker), capacity=capacity)
        return self.scheduler.handle(event, self._tick())

    def failed(self, worker: str) -> list[Decision]:
        return self.scheduler.handle(WorkerFailed(worker_id=WorkerId(worker)), self._tick())

    def lost(self, worker: str) -> list[Decision]:
        return self.scheduler.handle(WorkerLost(worker_id=WorkerId(worker)), self._tick())

    def submit(
        self,
        call: str,
        session: str | None = None,
        affinity: Affinity = HINT,
        *,
        keeps: bool = False,
        is_cell: bool = False,
    ) -> list[Decision]:
        event = CallSubmitted(
            call_id=CallId(call),
            session_id=None if session is None else SessionId(session),
            affinity=affinity,
            keeps_session=keeps,
            is_cell=is_cell,
        )
        return self.scheduler.handle(event, self._tick())

    def submit_at(self, call: str, session: str, worker: str) -> list[Decision]:
        event = CallSubmitted(
            call_id=CallId(call),
            session_id=SessionId(session),
            affinity=STRICT,
            worker_id=WorkerId(worker),
            is_cell=True,
        )
        return self.scheduler.handle(event, self._tick())

    def take(self, lease: str, worker: str | None = None) -> list[Decision]:
        wanted = None if worker is None else WorkerId(worker)
        event = CallSubmitted(call_id=CallId(lease), worker_id=wanted, is_manual=True)
        return self.scheduler.handle(event, self._tick())

    def abandon(self, call: str) -> list[Decision]:
        return self.scheduler.handle(CallAbandoned(call_id=CallId(call)), self._tick())

    def retire(self, worker: str, *, is_replaced: bool = True) -> list[Decision]:
        event = WorkerRetired(worker_id=WorkerId(worker), is_replaced=is_replaced)
        return self.scheduler.handle(event, self._tick())

    def due(self, worker: str) -> list[Decision]:
        return self.scheduler.handle(WorkerDue(worker_id=WorkerId(worker)), self._tick())

    def wait(self, seconds: float) -> list[Decision]:
        self.now += seconds
        return self.scheduler.handle(TimePassed(), self.now)

    def end(self, call: str) -> list[Decision]:
        return self.scheduler.handle(CallEnded(call_id=CallId(call)), self._tick())

    def end_session(self, session: str) -> list[Decision]:
        return self.scheduler.handle(SessionEnded(session_id=SessionId(session)), self._tick())

    def _tick(self) -> float:
        self.now += 1.0
        return self.now


def start(worker: str) -> Decision:
    return StartWorker(worker_id=WorkerId(worker))


def stop(worker: str) -> Decision:
    return StopWorker(worker_id=WorkerId(worker))


def grant(call: str, worker: str) -> Decision:
    return GrantLease(call_id=CallId(call), worker_id=WorkerId(worker))


def refuse(call: str, reason: Refusal) -> Decision:
    return RefuseCall(call_id=CallId(call), reason=reason)


def lost(session: str, worker: str) -> Refusal:
    return SessionLost(session_id=SessionId(session), worker_id=WorkerId(worker))


# How many workers there are.


def test_a_pool_starts_as_many_workers_as_it_shall_have() -> None:
    story = Story()

    assert story.resize(2) == [start("w0"), start("w1")]
    assert story.resize(3) == [start("w2")]


def test_a_lost_worker_is_replaced_in_its_place_under_a_new_name() -> None:
    story = Story(1, 1)

    assert story.lost("w0") == [start("w0.1")]
    assert story.lost("w0.1") == [start("w0.2")]


def test_a_worker_that_cannot_start_is_not_tried_again() -> None:
    story = Story()
    story.resize(2)

    assert story.failed("w0") == []
    assert story.ready("w1") == []
    assert story.resize(2) == [start("w0.1")]


def test_when_no_worker_can_start_every_waiting_call_hears_of_it() -> None:
    story = Story()
    story.resize(1)
    story.submit("first")
    story.submit("second")

    assert story.failed("w0") == [refuse("first", NoWorkers()), refuse("second", NoWorkers())]


def test_a_smaller_pool_gives_up_the_workers_that_hold_no_session() -> None:
    story = Story(1, 1)
    story.submit("cell", "notebook", STRICT)
    story.end("cell")

    assert story.resize(1) == [stop("w1")]


def test_a_worker_is_stopped_only_when_its_last_call_has_ended() -> None:
    story = Story(2)
    story.submit("first")
    story.submit("second")

    assert story.resize(0) == []
    assert story.end("first") == []
    assert story.end("second") == [stop("w0")]


def test_a_worker_that_is_given_up_while_it_starts_is_stopped_when_it_is_ready() -> None:
    story = Story(1)
    story.resize(2)

    assert story.resize(1) == []
    assert story.ready("w1") == [stop("w1")]
    assert story.lost("w1") == []


def test_a_worker_that_is_given_up_while_it_starts_may_fail_at_no_cost() -> None:
    story = Story(1)
    story.resize(2)
    story.resize(1)

    assert story.failed("w1") == []
    assert story.lost("w0") == [start("w0.1")]


def test_words_of_a_worker_that_is_gone_change_nothing() -> None:
    story = Story(1)
    story.lost("w0")
    before = story.scheduler.snapshot()

    assert story.ready("w0") == story.failed("w0") == story.lost("w0") == []
    assert story.scheduler.snapshot() == before


# Calls without a session.


def test_a_call_goes_to_the_least_loaded_worker_and_of_equals_to_the_longest_idle() -> None:
    story = Story(2, 1, 1)

    assert story.submit("a") == [grant("a", "w0")]
    assert story.submit("b") == [grant("b", "w1")]
    story.end("a")
    assert story.submit("c") == [grant("c", "w2")]
    assert story.submit("d") == [grant("d", "w0")]
    assert story.submit("e") == [grant("e", "w0")]


def test_calls_wait_for_room_and_get_it_in_the_order_in_which_they_came() -> None:
    story = Story(1)
    story.submit("a")

    assert story.submit("b") == story.submit("c") == []
    assert story.end("a") == [grant("b", "w0")]
    assert story.end("b") == [grant("c", "w0")]


def test_a_worker_that_gets_ready_takes_as_many_waiting_calls_as_it_can_hold() -> None:
    story = Story()
    story.resize(1)
    for call in ("a", "b", "c"):
        story.submit(call)

    assert story.ready("w0", capacity=2) == [grant("a", "w0"), grant("b", "w0")]


def test_a_call_that_gives_up_waiting_lets_the_next_one_by() -> None:
    story = Story(1)
    for call in ("a", "b", "c"):
        story.submit(call)

    assert story.end("b") == []
    assert story.end("a") == [grant("c", "w0")]


def test_a_call_is_refused_when_as_many_wait_as_may() -> None:
    story = Story(1, queue_size=1)
    story.submit("a")
    story.submit("b")

    assert story.submit("c") == [refuse("c", QueueFull(size=1))]


def test_a_call_is_refused_when_no_worker_will_ever_take_it() -> None:
    story = Story(1)
    story.submit("running")
    story.submit("waiting")

    assert story.resize(0) == [refuse("waiting", NoWorkers())]
    assert story.submit("late") == [refuse("late", NoWorkers())]


def test_the_calls_of_a_lost_worker_leave_the_ledger_and_their_late_end_is_harmless() -> None:
    story = Story(1)
    story.submit("a")
    story.lost("w0")
    story.ready("w0.1")
    story.submit("b")

    assert story.end("a") == []
    assert story.scheduler.snapshot().load == 1


# Sessions that merely prefer a worker.


def test_a_session_goes_back_to_its_worker_while_that_has_room() -> None:
    story = Story(1, 1)
    story.submit("a", "chat")
    story.end("a")

    assert story.submit("b", "chat") == [grant("b", "w0")]
    assert story.submit("c", "chat") == [grant("c", "w1")]


def test_a_session_without_state_moves_on_silently_when_its_worker_is_lost() -> None:
    story = Story(1, 1)
    story.submit("a", "chat")
    story.lost("w0")

    assert story.submit("b", "chat") == [grant("b", "w1")]


def test_of_too_many_preferences_the_oldest_are_forgotten() -> None:
    table = SessionTable()
    for number in range(REMEMBERED + 1):
        table.prefer(SessionId(f"s{number}"), WorkerId("w0"))

    assert table.preference_of(SessionId("s0")) is None
    assert table.preference_of(SessionId("s1")) == "w0"


# Sessions whose state lives on a worker.


def test_a_session_with_state_waits_for_its_home_though_others_have_room() -> None:
    story = Story(1, 1)
    story.submit("a", "notebook", STRICT)

    assert story.submit("b", "notebook", STRICT) == []
    assert story.submit("c") == [grant("c", "w1")]
    assert story.end("a") == [grant("b", "w0")]


def test_a_tool_called_in_a_session_with_state_runs_where_the_state_is() -> None:
    story = Story(1, 1)
    story.submit("cell", "notebook", STRICT)

    assert story.submit("tool", "notebook", HINT) == []
    assert story.end("cell") == [grant("tool", "w0")]


def test_sessions_with_state_spread_over_the_workers() -> None:
    story = Story(4, 4)
    story.submit("a", "first", STRICT)
    story.submit("b")
    story.submit("c")

    assert story.end("a") == []
    assert story.submit("d", "second", STRICT) == [grant("d", "w1")]


def test_sessions_that_came_before_the_workers_go_to_the_first_that_has_room() -> None:
    story = Story()
    story.resize(2)
    story.submit("a1", "first", STRICT)
    story.submit("a2", "first", STRICT)
    story.submit("b1", "second", STRICT)

    assert story.ready("w1") == [grant("a1", "w1")]
    assert story.ready("w0") == [grant("b1", "w0")]
    assert story.end("a1") == [grant("a2", "w1")]


def test_calls_that_follow_their_session_home_keep_their_place_in_the_order() -> None:
    story = Story(2, 1)
    story.submit("old", "old", STRICT)
    story.submit("other")
    story.submit("filler", "old", STRICT)
    story.submit("new1", "new", STRICT)
    story.submit("new2", "new", STRICT)
    story.submit("old2", "old", STRICT)

    assert story.end("filler") == [grant("new1", "w0")]
    assert story.scheduler.snapshot().queued == ("new2", "old2")
    assert story.end("old") == [grant("new2", "w0")]
    assert story.end("new1") == [grant("old2", "w0")]


def test_a_session_that_has_not_begun_loses_nothing_with_a_worker() -> None:
    story = Story(1)
    story.submit("a")
    story.submit("first", "notebook", STRICT)

    assert story.lost("w0") == [start("w0.1")]
    assert story.ready("w0.1") == [grant("first", "w0.1")]


def test_a_session_hears_of_its_loss_by_its_next_call_and_then_begins_anew() -> None:
    story = Story(1, 1)
    story.submit("a", "notebook", STRICT)
    story.end("a")
    story.lost("w0")

    assert story.submit("b", "notebook", STRICT) == [refuse("b", lost("notebook", "w0"))]
    assert story.submit("c", "notebook", STRICT) == [grant("c", "w1")]


def test_a_session_whose_call_died_with_the_worker_is_not_told_again() -> None:
    story = Story(1, 1)
    story.submit("a", "notebook", STRICT)
    story.lost("w0")

    assert story.submit("b", "notebook", STRICT) == [grant("b", "w1")]


def test_calls_that_wait_for_the_lost_home_are_refused_at_once() -> None:
    story = Story(1)
    story.submit("other")
    story.end("other")
    story.submit("a", "notebook", STRICT)
    story.submit("b", "notebook", STRICT)
    story.submit("c")

    assert story.lost("w0") == [refuse("b", lost("notebook", "w0")), start("w0.1")]
    assert story.ready("w0.1") == [grant("c", "w0.1")]


def test_on_a_draining_worker_the_running_call_goes_on_and_the_next_one_is_told() -> None:
    story = Story(1, 1)
    story.submit("a", "first", STRICT)
    story.submit("b", "second", STRICT)
    story.resize(1)
    assert [worker.state for worker in story.scheduler.snapshot().workers] == [
        WorkerState.READY,
        WorkerState.DRAINING,
    ]

    assert story.submit("b2", "second", STRICT) == [refuse("b2", lost("second", "w1"))]
    assert story.submit("b3", "second", STRICT) == []
    assert story.end("b") == [stop("w1")]
    assert story.end("a") == [grant("b3", "w0")]


def test_a_session_is_never_pinned_to_a_draining_worker_that_it_preferred() -> None:
    story = Story(1, 1)
    story.submit("a")
    story.submit("b", "chat")
    story.end("a")
    story.submit("c", "other", STRICT)
    story.end("c")
    story.resize(1)

    assert story.submit("d", "chat", STRICT) == [grant("d", "w0")]


def test_a_call_that_dies_on_a_draining_worker_tells_its_session() -> None:
    story = Story(1, 1)
    story.submit("a", "first", STRICT)
    story.submit("b", "second", STRICT)
    story.resize(1)

    assert story.lost("w1") == []
    story.end("a")
    assert story.submit("b2", "second", STRICT) == [grant("b2", "w0")]


def test_a_session_that_was_ended_may_begin_anew_anywhere() -> None:
    story = Story(1, 1)
    story.submit("a", "notebook", STRICT)
    story.end_session("notebook")

    assert story.submit("b", "notebook", STRICT) == [grant("b", "w1")]
    assert story.scheduler.snapshot().workers[0].sessions == ()
    assert story.scheduler.snapshot().workers[1].sessions == ("notebook",)


def test_a_session_that_was_ended_hears_of_no_loss() -> None:
    story = Story(1, 1)
    story.submit("a", "notebook", STRICT)
    story.end("a")
    story.lost("w0")
    story.end_session("notebook")

    assert story.submit("b", "notebook", STRICT) == [grant("b", "w1")]


def test_a_snapshot_tells_load_and_capacity_of_the_pool() -> None:
    story = Story(2, 1)
    story.resize(3)
    story.submit("a")
    story.submit("b")

    snapshot = story.scheduler.snapshot()

    assert (snapshot.load, snapshot.capacity) == (2, 3)
    assert [worker.since for worker in snapshot.workers] == [5.0, 6.0, 4.0]


def test_a_session_that_does_not_want_to_wait_is_refused_while_its_worker_is_busy() -> None:
    story = Story(1, 1)
    assert story.submit("a", "s", FAIL_FAST) == [grant("a", "w0")]

    busy = SessionBusy(session_id=SessionId("s"), worker_id=WorkerId("w0"))
    assert story.submit("b", "s", FAIL_FAST) == [refuse("b", busy)]
    story.end("a")
    assert story.submit("c", "s", FAIL_FAST) == [grant("c", "w0")]


def test_a_session_without_a_worker_waits_for_its_first_one() -> None:
    story = Story(1)
    story.submit("a")

    assert story.submit("b", "s", FAIL_FAST) == []
    assert story.end("a") == [grant("b", "w0")]


def test_the_cells_of_a_session_run_one_at_a_time_and_leave_room_for_others() -> None:
    story = Story(3)
    story.submit("a", "s", STRICT, is_cell=True)

    assert story.submit("b", "s", STRICT, is_cell=True) == []
    assert story.submit("c", "s", STRICT, is_cell=True) == []
    assert story.submit("tool", "s") == [grant("tool", "w0")]
    assert story.submit("other", "t", STRICT, is_cell=True) == [grant("other", "w0")]
    assert story.end("a") == [grant("b", "w0")]
    assert story.end("b") == [grant("c", "w0")]


def test_a_cell_that_no_more_waits_passes_its_turn_on() -> None:
    story = Story(1)
    story.submit("busy")
    story.submit("a", "s", STRICT, is_cell=True)
    story.submit("b", "s", STRICT, is_cell=True)

    assert story.end("a") == []
    assert story.end("busy") == [grant("b", "w0")]


# Sessions that nobody uses.


def test_a_session_that_is_not_used_expires_and_is_told() -> None:
    story = Story(1, ttl=100)
    story.submit("a", "s", STRICT)
    story.end("a")

    assert story.wait(100) == []
    assert story.wait(1) == [EndSession(session_id=SessionId("s"), worker_id=WorkerId("w0"))]
    assert story.wait(500) == []
    expired = SessionExpired(session_id=SessionId("s"), seconds=100)
    assert story.submit("b", "s", STRICT) == [refuse("b", expired)]
    assert story.submit("c", "s", STRICT) == [grant("c", "w0")]


def test_a_session_does_not_expire_under_its_calls() -> None:
    story = Story(1, ttl=100)
    story.submit("a", "s", STRICT)
    story.submit("b", "s", STRICT)
    story.end("a")
    assert story.wait(1000) == []

    story.end("b")
    assert story.wait(50) == []
    story.submit("c", "s")
    story.end("c")
    assert story.wait(99) == []


def test_a_session_that_is_kept_never_expires() -> None:
    story = Story(1, ttl=100)
    story.submit("a", "notebook", STRICT, keeps=True)
    story.end("a")

    assert story.wait(1e9) == []


# Workers that are to go.


def test_a_retired_worker_finishes_what_it_runs_while_another_takes_its_place() -> None:
    story = Story(1)
    story.submit("a", "s", STRICT)
    story.submit("b", "s", STRICT)
    story.submit("c")

    assert story.retire("w0") == [refuse("b", lost("s", "w0")), start("w0.1")]
    assert story.retire("w0") == []
    assert story.ready("w0.1") == [grant("c", "w0.1")]
    assert story.end("a") == [stop("w0")]
    assert story.lost("w0") == []


def test_a_retired_worker_that_is_not_replaced_leaves_one_less() -> None:
    story = Story(1, 1)
    story.submit("running")
    story.submit("beside it")

    assert story.retire("w0", is_replaced=False) == []
    assert story.retire("w0", is_replaced=False) == []  # it was on its way already
    assert story.submit("next") == []
    assert story.end("running") == [stop("w0")]
    assert story.lost("w0") == []
    assert story.end("beside it") == [grant("next", "w1")]


def test_a_worker_that_is_not_replaced_takes_along_who_was_started_in_its_place() -> None:
    story = Story(1, 1)
    assert story.due("w0") == [start("w0.1")]

    assert story.retire("w0", is_replaced=False) == [stop("w0")]
    assert story.ready("w0.1") == [stop("w0.1")]


def test_who_is_due_is_replaced_in_its_own_place_though_a_lower_one_is_free() -> None:
    story = Story(1, 1, 1)
    assert story.retire("w0", is_replaced=False) == [stop("w0")]

    assert story.due("w2") == [start("w2.1")]
    assert story.ready("w2.1") == [stop("w2")]


def test_a_cell_whose_turn_comes_while_a_worker_gets_ready_overtakes_nobody() -> None:
    story = Story(1)
    story.submit("a1", "a", is_cell=True)
    story.submit("first")
    story.submit("a2", "a", is_cell=True)
    story.end_session("a")
    story.due("w0")
    story.submit("second")
    story.submit("a3", "a", is_cell=True)
    assert story.end("a1") == [grant("first", "w0")]

    # w0 goes, and with it `a2`: so the turn of `a3` comes, which may run on w0.1.
    assert story.ready("w0.1") == [refuse("a2", lost("a", "w0")), grant("second", "w0.1")]
    assert story.end("second") == [grant("a3", "w0.1")]


def test_a_worker_whose_call_cannot_be_stopped_is_killed_when_its_others_have_ended() -> None:
    story = Story(2)
    story.submit("stuck")
    story.submit("sibling")

    assert story.abandon("stuck") == [start("w0.1")]
    assert story.end("sibling") == [KillWorker(worker_id=WorkerId("w0"))]
    assert [worker.load for worker in story.scheduler.snapshot().workers] == [1, 0]
    assert story.lost("w0") == []


def test_a_call_that_cannot_be_stopped_may_still_end_by_itself() -> None:
    story = Story(2)
    story.submit("slow")
    story.submit("sibling")
    story.abandon("slow")

    assert story.end("slow") == []
    assert story.end("sibling") == [stop("w0")]


# Leases that callers take by hand.


def test_by_the_profile_strategy_a_worker_gets_one_call_from_the_pool() -> None:
    story = Story(4, strategy=CapacityStrategy.PROFILE)
    story.submit("a")

    assert story.submit("b") == []
    assert story.end("a") == [grant("b", "w0")]


def test_by_the_profile_strategy_leases_go_up_to_the_capacity_and_then_wait() -> None:
    story = Story(2, strategy=CapacityStrategy.PROFILE)
    story.submit("a")
    story.submit("b")

    assert story.take("first") == [grant("first", "w0")]
    assert story.take("second") == []
    assert story.end("first") == [grant("second", "w0")]
    assert story.end("a") == [grant("b", "w0")]


def test_a_lease_may_name_its_worker() -> None:
    story = Story(1, 1)
    story.submit("a")  # on w0

    assert story.take("first", "w0") == []
    assert story.take("second", "w1") == [grant("second", "w1")]
    nobody = WorkerGone(worker_id=WorkerId("w7"))
    assert story.take("third", "w7") == [refuse("third", nobody)]
    gone = WorkerGone(worker_id=WorkerId("w0"))
    assert story.lost("w0") == [refuse("first", gone), start("w0.1")]


def test_a_session_whose_worker_is_chosen_settles_there_and_holds_no_state_before() -> None:
    story = Story(1, 1)
    story.submit("busy")
    story.submit("other")

    assert story.submit_at("first", "of w1", "w1") == []
    (granted,) = story.end("other")
    assert (granted, getattr(granted, "holds_state", None)) == (grant("first", "w1"), False)
    story.end("first")
    assert story.scheduler.snapshot().workers[1].sessions == ("of w1",)
    (granted,) = story.submit_at("second", "of w1", "w1")
    assert (granted, getattr(granted, "holds_state", None)) == (grant("second", "w1"), True)


def test_a_session_whose_worker_is_chosen_hears_of_its_loss_and_then_settles_on_the_next() -> None:
    story = Story(1)
    story.submit_at("a", "of w0", "w0")
    story.end("a")
    story.lost("w0")
    story.ready("w0.1", 1)

    assert story.submit_at("b", "of w0", "w0.1") == [refuse("b", lost("of w0", "w0"))]
    assert story.submit_at("c", "of w0", "w0.1") == [grant("c", "w0.1")]


def test_with_the_pool_strategy_a_lease_is_a_call_like_any_other() -> None:
    story = Story(2)
    story.take("lease")

    assert story.submit("a") == [grant("a", "w0")]
    assert story.submit("b") == []
    assert story.end("lease") == [grant("b", "w0")]


def test_no_session_begins_where_there_are_as_many_as_may_be() -> None:
    story = Story(4, session_limit=2)
    story.submit("a", session="s1", affinity=STRICT)
    story.submit("b", session="s2", affinity=STRICT)

    refused = story.submit("c", session="s3", affinity=STRICT)
    again = story.submit("d", session="s1", affinity=STRICT)
    hinted = story.submit("e", session="s4")

    assert refused == [refuse("c", TooManySessions(limit=2))]
    assert again == [grant("d", "w0")]
    assert hinted == [grant("e", "w0")]
