"""Takes in what workers have seen of their calls, and how many calls they count."""

import logging
from collections.abc import Callable
from contextlib import aclosing

from snakepit_nb.errors import WorkerError
from snakepit_nb.scheduling.scheduler import Scheduler
from snakepit_nb.settings import CapacityStrategy, PoolSettings
from snakepit_nb.telemetry.home import take_in

from .supervisor import LiveWorker
from .worker_telling import WorkerTelling

log = logging.getLogger(__name__)


class Observing:
    """One for all workers of a pool."""

    def __init__(
        self,
        settings: PoolSettings,
        scheduler: Scheduler,
        wake: Callable[[], None],
        telling: WorkerTelling,
    ) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._wake = wake
        self._telling = telling
        self._is_hybrid = settings.capacity_strategy is CapacityStrategy.HYBRID

    async def attend(self, worker: LiveWorker) -> None:
        """Listens to a worker until it is gone, if there is anything that is wanted of it."""
        if not self._is_hybrid and not self._settings.telemetry:
            return
        try:
            async with aclosing(worker.channel.observe(each_load=self._is_hybrid)) as observations:
                async for observation in observations:
                    if self._settings.telemetry:
                        take_in(observation, worker.name, self._settings.environment)
                    if self._is_hybrid:
                        self._note_load(worker, observation.load)
        except WorkerError:
            pass  # it is gone or about to go, which its supervisor tells
        except Exception:  # raised on, it would end the pool with all that runs there
            log.exception("what worker %s tells of its calls is not heard any more", worker.name)

    def _note_load(self, worker: LiveWorker, load: int) -> None:
        """Keeps what a worker counts beside the ledger."""
        worker.counted_load = load
        self._wake()
        if load >= worker.capacity:
            booked = self._scheduler.load_of(worker.worker_id)
            self._telling.capacity_reached(worker, load, booked)
