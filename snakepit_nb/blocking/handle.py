"""The handle of one pool, for code that blocks."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Self

from snakepit_nb.calls import (
    CellEvent,
    CodePosition,
    CommDelivery,
    CommMessage,
    Completion,
    MimeBundle,
    ToolSpec,
)
from snakepit_nb.identifiers import SessionId, WorkerId, place_name
from snakepit_nb.observations import EventControl
from snakepit_nb.pool.comms import CommEar
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.telemetry.home import flush

from .bridge_calls import BridgeCalls
from .cell_calls import CellCalls
from .comm_delivery import send_comm, send_comm_later
from .event_control import changed_control
from .executor import REMEMBERED_FUTURES, FunctionCalls
from .feed import Feed, open_fed_pool
from .lease import Lease
from .leaving import kill_all
from .new_call import check_session, chosen_correlation_id
from .portal import portal
from .portal_task import wait
from .session import Session, WorkerSession
from .tool_calls import ToolCalls
from .workforce import Workforce


class Pool(ToolCalls, FunctionCalls, CellCalls, Workforce, BridgeCalls):
    """A running pool. Made by `start`; ends by `stop`, or at the end of a `with`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._closing = threading.Lock()
        self._scope: AbstractContextManager[Feed] | None = None
        self._scope = portal().open(open_fed_pool(settings))
        self._feed = self._scope.__enter__()
        self._pool = self._runner = self._feed.pool
        self._recent = deque(maxlen=REMEMBERED_FUTURES)
        self._cells = {}

    def __repr__(self) -> str:
        return repr(self._pool) if self.is_running else f"<Pool {self.name!r} stopped>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.stop(now=error is not None)

    @property
    def name(self) -> str:
        """The pool's name."""
        return self.settings.name

    @property
    def is_running(self) -> bool:
        """Tells whether it takes calls."""
        return self._scope is not None

    @property
    def tools(self) -> dict[str, ToolSpec]:
        """What its workers offer, by name."""
        return {spec.name: spec for spec in portal().call(lambda: self._pool.tools)}

    def wait_serving(self) -> None:
        """Returns when the first worker serves.

        Raises:
            WorkerStartError: none does.
        """
        wait(self._pool.wait_serving)

    def session(self, name: str) -> Session:
        """Returns a session of its own variables, which its first call creates."""
        check_session(name)
        return Session(name, self)

    def worker(self, name: str | int) -> WorkerSession:
        """Returns a worker's own variables, as `-t NAME` has them; they live as long as it does.

        Raises:
            UsageError: there is no such worker.
        """
        return WorkerSession(place_name(self.worker_id(name)), self)

    def complete(self, session: str, code: str, cursor: int) -> tuple[Completion, ...]:
        """Completes code of a session as its own shell does, in bounded time.

        Nothing, where the session has no state yet.
        """
        position = CodePosition(session_id=SessionId(session), code=code, cursor=cursor)
        return wait(partial(self._pool.complete, position))

    def inspect(
        self, session: str, code: str, cursor: int, *, detail_level: int = 0
    ) -> MimeBundle | None:
        """Tells what the name at a place in a session's code means, in bounded time.

        None, where that is not known there.
        """
        position = CodePosition(
            session_id=SessionId(session), code=code, cursor=cursor, detail_level=detail_level
        )
        return wait(partial(self._pool.inspect, position))

    @property
    def comm_ear(self) -> CommEar | None:
        """Who hears what widgets of the workers say while no cell runs."""
        return self._pool.comms.ear

    @comm_ear.setter
    def comm_ear(self, ear: CommEar | None) -> None:
        self._pool.comms.ear = ear

    def is_comm_kept_waiting(self, comm_id: str) -> bool:
        """Tells whether something runs where a comm's code would run."""
        return self._pool.comms.is_kept_waiting(comm_id)

    def send_comm(
        self,
        message: CommMessage,
        parent: bytes,
        show: Callable[[CellEvent], None],
        *,
        waits: bool = True,
    ) -> None:
        """Hands a message of the front end to a worker's comm; `show` gets what comes of it.

        It is called here, until that is over; or (`waits=False`) on another thread, later.
        """
        delivery = CommDelivery(
            call_id=new_call_id(),
            correlation_id=chosen_correlation_id(None),
            message=message,
            parent=parent,
        )
        send = send_comm if waits else send_comm_later
        send(self._pool, delivery, show)

    def lease(self, worker: str | None = None) -> Lease:
        """Returns a share of a worker, the given one or the least loaded, for a `with`.

        It is booked at the begin of the `with`, which raises QueueTimeoutError where no share is
        free in time, and PoolError where there is no such worker.
        """
        wanted = None if worker is None else WorkerId(worker)
        scope = self._pool.lease(chosen_correlation_id(None), wanted)
        return Lease(self.settings, portal().open(scope))

    def cancel(self, wanted: str | None = None, *, kill: bool = False) -> int:
        """Ends the calls of a correlation id or call id, or all, and waits until none runs.

        What waits is taken out of the queue; what runs is interrupted, and where it does not stop
        within the grace time its worker is killed (`kill`: at once).

        Returns: how many there were.
        """
        waiting = portal().call(self._feed.cancel_fitting, wanted)
        status = self.status()
        calls = [*status.queued, *(call for worker in status.workers for call in worker.calls)]
        return waiting + sum(
            wait(partial(self._pool.cancel, call.call_id, kill=kill))
            for call in calls
            if wanted in (None, call.correlation_id, call.call_id)
        )

    def telemetry(
        self,
        *,
        enabled: bool | None = None,
        sampling: float | None = None,
        sampled: Sequence[str] | None = None,
        allow: Sequence[str] | None = None,
        deny: Sequence[str] | None = None,
    ) -> EventControl:
        """Changes which events the workers tell; what is not given stays as it is.

        Args:
            enabled: Whether they tell any.
            sampling: Which share of them, from 0 to 1.
            sampled: Globs for the names that `sampling` is about, such as `tool.*`; by default all.
            allow: Globs for the names that may be told; none: all.
            deny: Globs for the names that may not, whatever else is said.

        Returns: what holds now.

        Raises:
            UsageError: the patterns are one text, or the share is no number.
        """
        control = changed_control(
            self._pool.event_control,
            enabled=enabled,
            sampling=sampling,
            sampled=sampled,
            allow=allow,
            deny=deny,
        )
        portal().call(self._pool.control_events, control)
        return control

    def stop(self, *, now: bool = False) -> None:
        """Lets all calls finish (`now`: ends them), then ends all workers. Twice is harmless."""
        if self.is_running and not now:
            wait(self._feed.wait_idle)
            wait(self._pool.wait_idle)
        elif self.is_running and self._cells:
            self._feed.refuse("is stopped. Start it again: %snakepit start.")
            self._interrupt_cells()
        with self._closing:  # whoever comes second returns when it has ended
            if self._scope is not None:
                self._before_stop = self.status()
                scope, self._scope = self._scope, None
                scope.__exit__(None, None, None)
                self._has_stopped = True
                flush()

    def kill_after(self, seconds: float) -> None:
        """Kills, a while from now, those workers that have not ended by then. It does not wait."""
        portal().call(lambda: portal().start_here(kill_all(self._pool, seconds)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 (every Executor's)
        """Takes no more functions, lets all calls finish, then ends all workers.

        Args:
            wait: Returns only then. Else the pool ends by itself, and the process not before it.
            cancel_futures: Cancels the functions that no worker has begun.
        """
        if self.is_running:
            self._feed.refuse("is shut down. Start it again: %snakepit start.")
        if cancel_futures:
            portal().call(self._feed.cancel_waiting)
        if wait:
            self.stop()
        else:
            threading.Thread(target=self.stop, name="snakepit shutdown").start()
