"""OpenTelemetry metrics of pools, of what `pool/telling` tells. They go nowhere by themselves.

Whoever sets a MeterProvider, before a pool starts or after, gets them; until then the instruments
are OpenTelemetry's stand-ins, which do nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

NAME = "snakepit_nb"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""The bounds of the histograms: OpenTelemetry's own are made for milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReading:
    """One worker at one moment."""

    worker_id: str
    pid: int
    load: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReading:
    """One pool at one moment."""

    pool: str
    queued: int
    workers: tuple[WorkerReading, ...]


Read = Callable[[], PoolReading]
"""Reads a pool, on whatever thread collects metrics."""


class Metrics:
    """The instruments of one meter, and the pools that its gauges look at."""

    def __init__(self, meter: Meter) -> None:
        self._pools: tuple[Read, ...] = ()
        self._wait = meter.create_histogram(
            "snakepit.queue.wait",
            "s",
            "How long calls waited for a worker",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._duration = meter.create_histogram(
            "snakepit.call.duration",
            "s",
            "How long calls took, from their submission to their end",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._calls = meter.create_counter("snakepit.calls", "{call}", "Calls that have ended")
        self._restarts = meter.create_counter(
            "snakepit.worker.restarts", "{worker}", "Workers that took the place of another"
        )
        for name, unit, description, observe in (
            ("snakepit.worker.load", "{call}", "Calls that a worker holds", _loads),
            ("snakepit.worker.capacity", "{call}", "Calls that a worker can hold", _capacities),
            ("snakepit.worker.memory", "By", "Resident memory of a worker's process", _memory),
            ("snakepit.queue.depth", "{call}", "Calls that wait for a worker", _depth),
        ):
            meter.create_observable_gauge(name, [self._observing(observe)], unit, description)

    def call_granted(self, pool: str, waited: float) -> None:
        """Notes how many seconds a call waited for its worker."""
        self._wait.record(waited, {"pool": pool})

    def call_ended(self, pool: str, outcome: str, seconds: float) -> None:
        """Notes the end of a call."""
        attributes = {"pool": pool, "outcome": outcome}
        self._duration.record(seconds, attributes)
        self._calls.add(1, attributes)

    def worker_restarted(self, pool: str) -> None:
        """Notes that a worker serves in the place of another."""
        self._restarts.add(1, {"pool": pool})

    @contextmanager
    def observing(self, read: Read) -> Iterator[None]:
        """Lets the gauges look at a pool within the `with`."""
        self._pools = (*self._pools, read)
        try:
            yield
        finally:
            self._pools = tuple(each for each in self._pools if each is not read)

    def _observing(
        self, observe: Callable[[PoolReading], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe_all(_: CallbackOptions) -> Iterable[Observation]:
            for read in self._pools:
                yield from observe(read())

        return observe_all


def _loads(pool: PoolReading) -> Iterable[Observation]:
    return (Observation(worker.load, _of(pool, worker)) for worker in pool.workers)


def _capacities(pool: PoolReading) -> Iterable[Observation]:
    return (Observation(worker.capacity, _of(pool, worker)) for worker in pool.workers)


def _depth(pool: PoolReading) -> Iterable[Observation]:
    return (Observation(pool.queued, {"pool": pool.pool}),)


def _memory(pool: PoolReading) -> Iterable[Observation]:
    import psutil  # noqa: PLC0415 (it takes its time, and most never look)

    for worker in pool.workers:
        with suppress(psutil.Error):  # it has ended meanwhile
            yield Observation(psutil.Process(worker.pid).memory_info().rss, _of(pool, worker))


def _of(pool: PoolReading, worker: WorkerReading) -> dict[str, str]:
    return {"pool": pool.pool, "worker_id": worker.worker_id}


metrics = Metrics(get_meter(NAME))
