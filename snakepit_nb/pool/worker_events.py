"""Brings home what a pool's workers tell, for as long as anybody wants to hear it."""

import logging
from dataclasses import replace

import anyio

from snakepit_nb.channel.channel import EventTap
from snakepit_nb.errors import SnakepitError, WorkerCrashedError
from snakepit_nb.mailbox import waking_here
from snakepit_nb.observations import EventControl
from snakepit_nb.telemetry.bus import emit, wanted, watch, worker_patterns
from snakepit_nb.telemetry.events import WorkerEvent

from .supervisor import LiveWorker

log = logging.getLogger(__name__)


class WorkerEvents:
    """What is wanted of the workers' events. Until something is, no worker is asked."""

    def __init__(self, pool: str) -> None:
        self.control = EventControl()
        self._pool = pool
        self._changed = anyio.Event()

    @property
    def is_wanted(self) -> bool:
        """Tells whether somebody listens, or has said what the workers shall tell."""
        return wanted(WorkerEvent) or self.control != EventControl()

    def steer(self, control: EventControl) -> None:
        """Lets all workers, also those to come, tell what the control says."""
        self.control = control
        self._wake()

    async def watch(self) -> None:
        """Notices who begins or ceases to listen, on whatever thread; runs until cancelled."""
        call_soon = waking_here()
        end = watch(lambda: call_soon(self._wake))
        try:
            await anyio.sleep_forever()
        finally:
            end()

    async def attend(self, worker: LiveWorker) -> None:
        """Listens to a worker while that is wanted; returns when it tells no more."""
        may_tell = True
        while may_tell:
            while not self.is_wanted:
                await self._changed.wait()
            may_tell = await self._listen(worker)

    async def _listen(self, worker: LiveWorker) -> bool:
        """Passes on what a worker tells; tells whether it would go on, if that were wanted."""
        has_ended = False
        async with worker.channel.events() as tap, anyio.create_task_group() as tasks:
            steered = anyio.Event()
            tasks.start_soon(self._steer, tap, steered, tasks.cancel_scope)
            await steered.wait()  # lest the worker sends what nobody listens to
            await self._pass_on(tap, worker)
            has_ended = True
            tasks.cancel_scope.cancel()
        return not has_ended

    async def _steer(
        self, tap: EventTap, steered: anyio.Event, listening: anyio.CancelScope
    ) -> None:
        try:
            while self.is_wanted:
                changed = self._changed
                await tap.control(self._wish())
                steered.set()
                await changed.wait()
            await tap.control(self.control)  # what nobody hears yet is kept, all of it
        except SnakepitError:
            steered.set()  # whoever reads is told it too
            return
        listening.cancel()

    async def _pass_on(self, tap: EventTap, worker: LiveWorker) -> None:
        try:
            while (told := await tap.read()) is not None:
                emit(
                    WorkerEvent(
                        at=told.at,
                        pool=self._pool,
                        worker_id=worker.worker_id,
                        event=told.name,
                        correlation_id=told.correlation_id,
                        values=told.measurements,
                        texts=told.metadata,
                    )
                )
        except WorkerCrashedError:
            return  # its supervisor tells it
        except SnakepitError as error:  # another host's, which has no such stream
            log.info("worker %s tells no events: %s", worker.worker_id, error)

    def _wish(self) -> EventControl:
        """Returns the control, narrowed to what somebody listens to: each event has its cost."""
        heard = worker_patterns()
        if self.control.allow or not heard or "*" in heard:
            return self.control
        return replace(self.control, allow=heard)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
