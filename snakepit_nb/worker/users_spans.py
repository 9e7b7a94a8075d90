"""OpenTelemetry as user code has loaded it: its spans lie within those of its call.

Imported only where user code has imported OpenTelemetry: who does not use it does not pay for it.
"""

from collections.abc import Callable, Mapping

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from snakepit_nb.observations import SpanRecord, WorkerTrace
from snakepit_nb.telemetry.ids import write_traceparent
from snakepit_nb.telemetry.providers import providers

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def attach(
    call: WorkerTrace, headers: Mapping[str, str], sink: Callable[[SpanRecord], object]
) -> Callable[[], None]:
    """Makes the code that runs on a part of the call, for OpenTelemetry; returns what ends that.

    The sink gets the spans that the code makes.
    """
    within = SpanContext(call.trace_id, call.code_id, is_remote=False, trace_flags=_SAMPLED)
    # What else came, such as baggage, is the code's too.
    here = trace.set_span_in_context(
        NonRecordingSpan(within), propagate.extract(headers, Context())
    )
    providers.sink = sink
    providers.look(call.trace_id)
    token = contexts.attach(here)
    return lambda: contexts.detach(token)


def traceparent_here() -> str:
    """Returns the span of the running code, as a header carries it; empty: there is none."""
    here = trace.get_current_span().get_span_context()
    return write_traceparent(here.trace_id, here.span_id) if here.is_valid else ""
