"""The workers of a pool: what they do, how many there are, and what takes their place."""

from functools import partial

from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.pool.pool import Pool
from snakepit_nb.pool.snapshot import PoolSnapshot

from .feed import Feed
from .portal import portal
from .portal_task import wait


class Workforce:
    """Whoever has a pool and its feed."""

    _pool: Pool
    _feed: Feed
    _before_stop: PoolSnapshot | None = None
    _has_stopped = False

    def status(self) -> PoolSnapshot:
        """Returns what the pool looks like now; of one that is stopped, when it was stopped."""
        return self.last_status if self._has_stopped else portal().call(self._pool.snapshot)

    @property
    def last_status(self) -> PoolSnapshot:
        """What the pool looked like before it began to stop, if it has, else what it does now."""
        return self._before_stop or self.status()

    def wait_ready(self) -> None:
        """Returns when each worker serves or has failed to start.

        Raises:
            WorkerStartError: none serves.
        """
        wait(self._pool.wait_ready)

    def resize(self, workers: int) -> None:
        """Starts workers, and waits for them, or lets surplus ones finish, until there are so many.

        Raises:
            UsageError: fewer than one.
        """
        if workers < 1:
            raise UsageError(f"{workers} workers: a pool needs at least 1. To end it: stop().")
        portal().call(self._pool.resize, workers)
        portal().call(self._feed.resize, workers)
        self.wait_ready()

    def restart(self, worker: str | None = None, *, now: bool = False) -> None:
        """Puts new workers in the place of all, or of one, and waits until they serve.

        The old ones take no more calls, finish those that they run (`now`: they are killed), and
        end. Sessions that live there are lost, and told so at their next call.

        Raises:
            UsageError: there is no such worker.
        """
        for name in self._staying() if worker is None else [self._known(worker)]:
            if now:
                wait(partial(self._pool.kill_worker, name, "it was restarted"))
            else:
                portal().call(self._pool.retire, name)
        self.wait_ready()

    def drain(self, worker: str) -> None:
        """Lets a worker finish its calls and then end; the pool is one worker smaller from now on.

        Raises:
            UsageError: there is no such worker, or it is the last one.
        """
        left = portal().call(self._pool.drain, self._known(worker))
        portal().call(self._feed.resize, left)

    def _staying(self) -> list[WorkerId]:
        return [worker.worker_id for worker in self.status().workers if worker.state != "draining"]

    def _known(self, worker: str) -> WorkerId:
        names = self._staying()
        if worker not in names:
            raise UsageError(
                f"Pool {self._pool.settings.name!r} has no worker {worker!r}: "
                f"{nearest(worker, names)}"
            )
        return WorkerId(worker)
