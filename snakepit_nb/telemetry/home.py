"""Where the spans and log lines of this kernel and of its workers come together."""

import os
from dataclasses import replace

from snakepit_nb.observations import Observation, SpanRecord

from .exporting import exporting
from .log_ring import logs
from .logs import label_log_records
from .redaction import redaction
from .traces import traces
from .tracing import tracing

Environment = tuple[tuple[str, str], ...]


def receive(environment: Environment) -> None:
    """Lets this process keep what its calls leave, and hide what is secret in its surroundings.

    Called for each pool, with what its workers are given beside the kernel's environment.
    """
    redaction.hide_variables(os.environ)
    redaction.hide_variables(dict(environment))
    exporting.begin()
    tracing.send_to(_keep)
    label_log_records(logs.add)


def take_in(observation: Observation, worker: str, environment: Environment) -> None:
    """Keeps what a worker has seen, which was given this environment beside the kernel's."""
    for span in observation.spans:
        seen = _redacted(replace(span, worker_id=worker))
        traces.add(seen)
        exporting.send_worker(seen, environment)
    for entry in observation.logs:
        logs.add(replace(entry, worker_id=worker))
    logs.note_dropped(observation.dropped)


def _keep(span: SpanRecord) -> None:
    seen = _redacted(span)
    traces.add(seen)
    exporting.send_own(seen)


def _redacted(span: SpanRecord) -> SpanRecord:
    """Takes secrets out of what an error says; nothing else in a span of ours is a user's text."""
    return replace(span, error=redaction.redacted(span.error)) if span.is_error else span
