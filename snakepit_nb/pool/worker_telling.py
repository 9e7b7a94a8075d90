"""Words what happens to a pool and its workers, as events and log lines."""

import logging
import time
from collections.abc import Sequence

from snakepit_nb.identifiers import SessionId, WorkerId
from snakepit_nb.launch.launcher import WorkerExit
from snakepit_nb.settings import PoolSettings
from snakepit_nb.telemetry import events
from snakepit_nb.telemetry.bus import emit, wanted
from snakepit_nb.telemetry.metrics import metrics

from .happenings import Happenings
from .supervisor import STOPPED, LiveWorker

log = logging.getLogger(__name__)

_REPLACED = "."  # in the names of workers that took the place of another


class WorkerTelling:
    """What one pool tells of itself and of its workers. An event is made where it is wanted."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._pool = settings.name
        self._begun = time.monotonic()
        self.happenings = Happenings()
        self.given_up: list[WorkerId] = []
        """The last workers of those places in which none is started any more."""
        self._is_ready = False

    def pool_started(self) -> None:
        """The first workers are about to be started."""
        if wanted(events.PoolStarted):
            emit(
                events.PoolStarted(
                    pool=self._pool,
                    workers=self._settings.workers,
                    profile=str(self._settings.profile),
                )
            )

    def pool_ready(self, *, starting: int, workers: int, capacity: int) -> None:
        """The pool is ready when, for the first time, none starts."""
        if starting or self._is_ready:
            return
        self._is_ready = True
        if wanted(events.PoolReady):
            seconds = time.monotonic() - self._begun
            emit(
                events.PoolReady(
                    pool=self._pool, workers=workers, capacity=capacity, seconds=seconds
                )
            )

    def pool_resized(self, workers: int, before: int) -> None:
        """Another number of workers is wanted."""
        self.happenings.note(f"{workers} workers are wanted in place of {before}")
        self.given_up.clear()
        if wanted(events.PoolResized):
            emit(events.PoolResized(pool=self._pool, workers=workers, before=before))

    def pool_stopped(self, finished: int) -> None:
        """All workers have ended."""
        if wanted(events.PoolStopped):
            seconds = time.monotonic() - self._begun
            emit(events.PoolStopped(pool=self._pool, finished=finished, seconds=seconds))

    def capacity_reached(self, worker: LiveWorker, load: int, booked: int) -> None:
        """A worker counts as many calls as it can hold."""
        if wanted(events.PoolCapacityReached):
            emit(
                events.PoolCapacityReached(
                    pool=self._pool,
                    worker_id=worker.worker_id,
                    capacity=worker.capacity,
                    load=load,
                    booked=booked,
                    profile=str(self._settings.profile),
                )
            )

    def worker_started(self, worker: LiveWorker, since: float) -> None:
        """A worker, wanted since that moment, serves."""
        self.happenings.note(f"{worker.worker_id} serves")
        if _REPLACED in worker.worker_id:
            metrics.worker_restarted(self._pool)
        if wanted(events.WorkerStarted):
            emit(
                events.WorkerStarted(
                    pool=self._pool,
                    worker_id=worker.worker_id,
                    seconds=time.monotonic() - since,
                    pid=worker.process.pid,
                    capacity=worker.capacity,
                )
            )

    def worker_start_failed(self, worker_id: WorkerId, since: float, error: Exception) -> None:
        """A worker, wanted since that moment, did not get ready."""
        self.happenings.note(f"{worker_id} did not start")
        if wanted(events.WorkerStartFailed):
            emit(
                events.WorkerStartFailed(
                    pool=self._pool,
                    worker_id=worker_id,
                    seconds=time.monotonic() - since,
                    error=type(error).__name__,
                )
            )

    def worker_retired(self, worker_id: WorkerId, load: int, because: str) -> None:
        """A worker takes no more calls."""
        self.happenings.note(f"{worker_id} takes no more calls: {because}")
        if wanted(events.WorkerRetired):
            emit(
                events.WorkerRetired(
                    pool=self._pool, worker_id=worker_id, load=load, because=because
                )
            )

    def place_given_up(self, worker_id: WorkerId, crashes: int) -> None:
        """No worker is started any more in place of one that crashed."""
        self.happenings.note(f"{worker_id} is not replaced: {crashes} crashes within a minute")
        self.given_up.append(worker_id)
        if wanted(events.PlaceGivenUp):
            emit(events.PlaceGivenUp(pool=self._pool, worker_id=worker_id, crashes=crashes))

    def circuit_changed(self, tool: str, *, is_open: bool) -> None:
        """A tool is not called for a while, or is called again."""
        what = "not called for a while" if is_open else "called again"
        log.warning("tool %s is %s", tool, what)
        self.happenings.note(f"tool {tool} is {what}")
        told = events.BreakerOpened if is_open else events.BreakerClosed
        if wanted(told):
            emit(told(pool=self._pool, tool=tool))

    def worker_ill(self, worker: LiveWorker) -> None:
        """A worker does not answer, or is not to be trusted."""
        self.happenings.note(f"{worker.worker_id} is {worker.illness}")
        log.warning(
            "worker %s gets only calls that no other can run: it is %s",
            worker.worker_id,
            worker.illness,
        )
        if wanted(events.WorkerTainted):
            emit(
                events.WorkerTainted(
                    pool=self._pool, worker_id=worker.worker_id, because=str(worker.illness)
                )
            )

    def worker_well(self, worker: LiveWorker) -> None:
        """A worker answers again, or was kept apart for long enough."""
        self.happenings.note(f"{worker.worker_id} is well again")
        log.info("worker %s is well again", worker.worker_id)
        if wanted(events.WorkerCleared):
            emit(events.WorkerCleared(pool=self._pool, worker_id=worker.worker_id))

    def worker_kept(self, worker: LiveWorker, why: str, sessions: Sequence[SessionId]) -> None:
        """A worker has served long enough, but sessions live there; said once for the same ones."""
        if worker.kept_for != tuple(sessions):
            worker.kept_for = tuple(sessions)
            log.warning(
                "worker %s should be replaced (%s), but keeps session %s: %%snakepit restart %s",
                worker.worker_id,
                why,
                ", ".join(sessions),
                worker.worker_id,
            )

    def worker_ended(self, worker: LiveWorker, ended: WorkerExit) -> None:
        """A worker's process is gone."""
        name, because = worker.worker_id, worker.ended_because
        self.happenings.note(f"{name} ended: {because or ended}")
        if wanted(events.WorkerEnded):
            emit(
                events.WorkerEnded(
                    pool=self._pool,
                    worker_id=name,
                    seconds=time.monotonic() - worker.since,
                    peak_memory=ended.peak_memory or 0,
                    how=str(ended),
                    because=because,
                )
            )
        if not because and wanted(events.WorkerCrashed):
            emit(events.WorkerCrashed(pool=self._pool, worker_id=name, how=str(ended)))
        if because not in ("", STOPPED) and wanted(events.WorkerKilled):
            emit(events.WorkerKilled(pool=self._pool, worker_id=name, because=because))
