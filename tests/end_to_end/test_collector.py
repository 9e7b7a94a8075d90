"""One connected trace of kernel and workers reaches a real collector, over OTLP."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .collector import open_collector

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

SCRIPT = Path(__file__).parent / "scripts" / "runs_a_cell.py"


@pytest.mark.parametrize(
    ("provider", "end"), [("OWN", "STOPS"), ("OWN", "ENDS"), ("PROVIDER", "STOPS")]
)
def test_a_cell_is_one_connected_trace_at_the_collector(
    provider: str, end: str, tmp_path: Path
) -> None:
    with open_collector() as collector:
        environment = {
            **os.environ,
            "IPYTHONDIR": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_SERVICE_NAME": "the-notebook",
            "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b",
        }
        ran = subprocess.run(
            [sys.executable, SCRIPT, provider, end],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        spans = collector.spans

    assert (ran.returncode, ran.stderr) == (0, "")
    assert len({span.trace_id for span in spans}) == 1
    known = Counter(span.span_id for span in spans)
    assert set(known.values()) == {1}
    (root,) = (span for span in spans if span.parent_id not in known)
    assert (root.name[:6], root.parent_id) == ("cell [", "")
    assert root.attributes["snakepit.correlation_id"] == "the-cell"
    names = Counter(span.name for span in spans)
    assert names["worker"] == names["rpc"] == 5
    assert names["tool seen"] == names["tool count"] == names["call abs"] / 2 == 1
    of_worker = [span for span in spans if span.resource.get("service.instance.id") == "w0"]
    assert len(of_worker) == 10
    assert {span.resource["service.name"] for span in of_worker} == {"the-worker"}
    of_kernel = [span for span in spans if span not in of_worker]
    assert {span.resource["service.name"] for span in of_kernel} == {"the-notebook"}
    assert {span.resource["team"] for span in spans} == {"a b"}
