"""Runs a notebook's cells in an IPython of its own: `runs_a_cell.py OWN|PROVIDER STOPS|ENDS`."""

import sys
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

provider, end = sys.argv[1:]

CONFIGURE = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
"""
START = """
import snakepit_nb as snakepit
pool = snakepit.start(
    1, adapters=["traced_tools:TracedTools"], env={"OTEL_SERVICE_NAME": "the-worker"}
)
"""
CALL = """
with snakepit.correlation("the-cell"):
    pool.call("seen", mark="cell")
    list(pool.stream("count", to=10))
    list(pool.map(abs, [-1, -2]))
    pool.run_cell("1 + 1", session="mine")
"""

sys.path.append(str(Path(__file__).parent.parent))  # workers get it too
shell: Any = InteractiveShell.instance()
shell.run_line_magic("load_ext", "snakepit_nb")
if provider == "PROVIDER":
    shell.run_cell(CONFIGURE, store_history=True).raise_error()
shell.run_cell(START, store_history=True).raise_error()
shell.run_cell(CALL, store_history=True).raise_error()
if end == "STOPS":
    shell.run_cell("snakepit.stop()", store_history=True).raise_error()
