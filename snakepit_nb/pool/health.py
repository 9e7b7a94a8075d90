"""Watches over the workers of a pool: their heartbeats, and how long each has served."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

import anyio

from snakepit_nb.errors import SnakepitError, ToolError
from snakepit_nb.off_loop import off_loop
from snakepit_nb.scheduling.events import Event, WorkerCleared, WorkerDue, WorkerTainted
from snakepit_nb.scheduling.health import Heartbeats, Illness
from snakepit_nb.scheduling.recycling import Lifetime
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.settings import PoolSettings

from .pending_call import PendingCall
from .supervisor import LiveWorker
from .worker_telling import WorkerTelling


class Health:
    """One for all workers of a pool."""

    def __init__(
        self,
        settings: PoolSettings,
        scheduler: Scheduler,
        tell: Callable[[Event], None],
        telling: WorkerTelling,
    ) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._tell = tell
        self._telling = telling
        self._lifetime = Lifetime(
            age=settings.worker_ttl, calls=settings.max_calls, memory=settings.max_memory
        )

    async def attend(self, worker: LiveWorker) -> None:
        """Asks a worker for its heartbeat again and again, until cancelled."""
        interval = self._settings.heartbeat_interval
        beats = Heartbeats(limit=self._settings.heartbeat_misses, answered_at=time.monotonic())
        lifetime = self._lifetime.with_jitter(random.random())  # noqa: S311 (no secret)
        while True:
            await anyio.sleep(interval)
            begun = time.monotonic()
            if await self._answers(worker):
                self._note_answer(worker, beats)
            elif time.monotonic() - begun < 2 * interval:  # else this loop itself was held up
                await self._note_miss(worker, beats)
            if lifetime.is_limited:
                await self._look_for_end(worker, lifetime)

    def note_error(
        self, worker: LiveWorker, call: PendingCall, error: BaseException | None
    ) -> None:
        """Keeps a worker apart for a while, of which a call's error says that it is broken."""
        words = ""
        if call.cell_error is not None:
            words = f"{call.cell_error.name}: {call.cell_error.value}"
        elif isinstance(error, ToolError):
            words = f"{error.remote_type}: {error.message}"
        if words and any(sign.lower() in words.lower() for sign in self._settings.taint_on):
            worker.tainted_until = time.monotonic() + self._settings.taint_seconds
            self._set_ill(worker, Illness.TAINTED)

    async def _answers(self, worker: LiveWorker) -> bool:
        """Tells whether a heartbeat comes in time; also where the worker is gone: that is seen."""
        with anyio.move_on_after(self._settings.heartbeat_interval):
            with suppress(SnakepitError):
                await worker.channel.ping()
            return True
        return False

    def _note_answer(self, worker: LiveWorker, beats: Heartbeats) -> None:
        now = time.monotonic()
        beats.note_answer(now)
        if worker.illness is not None and now >= worker.tainted_until:
            self._telling.worker_well(worker)
            worker.illness = None
            self._tell(WorkerCleared(worker_id=worker.worker_id))

    async def _note_miss(self, worker: LiveWorker, beats: Heartbeats) -> None:
        look = await off_loop(worker.process.look)
        now = time.monotonic()
        beats.note_miss(look, now)
        if beats.illness is None:
            return
        self._set_ill(worker, beats.illness)
        is_busy = self._scheduler.load_of(worker.worker_id) > 0
        limits = self._settings
        if beats.is_hopeless(
            now, is_busy=is_busy, busy=limits.unresponsive_busy, idle=limits.unresponsive_idle
        ):
            silent = now - beats.answered_at
            with suppress(SnakepitError):  # it hangs in the system, and is asked again
                await worker.kill(f"it did not answer for {silent:.0f} s ({beats.illness})")

    def _set_ill(self, worker: LiveWorker, illness: Illness) -> None:
        if worker.illness is illness:
            return
        worker.illness = illness
        self._telling.worker_ill(worker)
        self._tell(WorkerTainted(worker_id=worker.worker_id))

    async def _look_for_end(self, worker: LiveWorker, lifetime: Lifetime) -> None:
        """Lets another worker be started in place of one that has served long enough."""
        memory = 0
        if lifetime.memory is not None:
            look = await off_loop(worker.process.look)
            memory = 0 if look is None else look.memory
        age = time.monotonic() - worker.since
        why = lifetime.is_over(age=age, calls=worker.calls, memory=memory)
        if not why:
            return
        kept = [s for s, home in self._scheduler.homes.items() if home == worker.worker_id]
        if kept:
            self._telling.worker_kept(worker, why, kept)
        elif not worker.is_due:
            worker.is_due = True
            self._telling.worker_retired(
                worker.worker_id, self._scheduler.load_of(worker.worker_id), why
            )
            self._tell(WorkerDue(worker_id=worker.worker_id))
