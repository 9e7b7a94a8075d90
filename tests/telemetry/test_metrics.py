"""What OpenTelemetry's meters get, whenever its user sets them up."""

import os
import subprocess
import sys

import pytest

from snakepit_nb.telemetry.metrics import Metrics, PoolReading, WorkerReading

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

POOL_BETWEEN = """
import anyio
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from snakepit_nb.testing import open_test_pool
from snakepit_nb.calls import ToolCall
from snakepit_nb.worker import Adapter, tool

class Tools(Adapter):
    @tool
    def one(self) -> int:
        return 1

reader = InMemoryMetricReader()

def configure():
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))

async def main(before):
    if before:
        configure()
    async with open_test_pool(Tools) as pool:
        if not before:
            configure()
        call = ToolCall(call_id="c", correlation_id="sp-1", tool_name="one")
        await pool.call(call, timeout=None)
        for resource in reader.get_metrics_data().resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    point = list(metric.data.data_points)[0]
                    count = getattr(point, "count", None) or getattr(point, "value", None)
                    print(scope.scope.name, metric.name, count)

anyio.run(main, BEFORE)
"""


def test_each_instrument_tells_its_pool() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    metrics = Metrics(provider.get_meter("of the test"))
    reading = PoolReading(
        pool="p",
        queued=3,
        workers=(
            WorkerReading(worker_id="w0", pid=os.getpid(), load=1, capacity=2),
            WorkerReading(worker_id="gone", pid=2**22 + 1, load=0, capacity=2),
        ),
    )

    with metrics.observing(lambda: reading):
        metrics.call_granted("p", 0.2)
        metrics.call_ended("p", "ok", 0.5)
        metrics.call_ended("p", "failed", 0.5)
        metrics.worker_restarted("p")
        points = collected(reader)
    after = collected(reader)
    provider.shutdown()

    assert points["snakepit.queue.wait"] == {("p",): 0.2}
    assert points["snakepit.call.duration"] == {("p", "ok"): 0.5, ("p", "failed"): 0.5}
    assert points["snakepit.calls"] == {("p", "ok"): 1, ("p", "failed"): 1}
    assert points["snakepit.worker.restarts"] == {("p",): 1}
    assert points["snakepit.worker.load"] == {("p", "w0"): 1, ("p", "gone"): 0}
    assert points["snakepit.worker.capacity"] == {("p", "w0"): 2, ("p", "gone"): 2}
    assert points["snakepit.queue.depth"] == {("p",): 3}
    assert list(points["snakepit.worker.memory"]) == [("p", "w0")]
    assert points["snakepit.worker.memory"]["p", "w0"] > 1_000_000
    assert "snakepit.queue.depth" not in after


@pytest.mark.parametrize("before", [True, False], ids=["before the pool", "after it"])
def test_a_provider_may_be_set_before_a_pool_starts_or_after(*, before: bool) -> None:
    told = in_a_fresh_interpreter(f"BEFORE = {before}\n{POOL_BETWEEN}")

    assert "snakepit_nb snakepit.calls 1" in told
    assert "snakepit_nb snakepit.call.duration 1" in told
    assert "snakepit_nb snakepit.queue.wait 1" in told
    assert any(line.startswith("snakepit_nb snakepit.worker.load") for line in told)


def test_without_a_provider_no_sdk_is_loaded() -> None:
    told = in_a_fresh_interpreter(
        "import sys, snakepit_nb.blocking.handle, snakepit_nb.pool.pool\n"
        "print('opentelemetry.metrics' in sys.modules)\n"
        "print(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )

    assert told == ["True", "False"]


def test_what_a_worker_loads_has_no_opentelemetry() -> None:
    told = in_a_fresh_interpreter(
        "import sys, snakepit_nb.worker.__main__\n"
        "print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert told == ["False"]


def collected(reader: InMemoryMetricReader) -> dict[str, dict[tuple[str, ...], float]]:
    """Returns each metric's values, or sums, by the values of their attributes."""
    data = reader.get_metrics_data()
    return {
        metric.name: {
            tuple(str(value) for value in (point.attributes or {}).values()): (
                point.value if hasattr(point, "value") else point.sum
            )
            for point in metric.data.data_points
        }
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def in_a_fresh_interpreter(code: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    ).stdout.splitlines()
