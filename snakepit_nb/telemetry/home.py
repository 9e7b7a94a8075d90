"""Where the spans and log lines of this kernel and of its workers come together."""

import os
from collections.abc import Mapping
from dataclasses import replace

from snakepit_nb.observations import Attribute, Observation, SpanRecord

from .call_trace import CallTrace
from .cell_traces import CellTrace, cell_traces
from .exporting import Environment, exporting
from .log_ring import logs
from .logs import label_log_records
from .providers import providers
from .redaction import redaction
from .traces import UsersSpan, traces

SHOWN_ERROR = 200


def receive(environment: Environment) -> None:
    """Lets this process keep what its calls leave, and hide what is secret in its surroundings.

    Called for each pool, with what its workers are given beside the kernel's environment.
    """
    redaction.hide_variables(os.environ)
    redaction.hide_variables(dict(environment))
    exporting.begin()
    cell_traces.sink = keep
    providers.sink = keep_users_span
    label_log_records(logs.add)


def flush() -> None:
    """Waits a little until what was kept is on its way to whoever it is exported to."""
    exporting.flush()


def keep(trace: CallTrace | CellTrace) -> None:
    """Keeps the kernel's part of a call, or a cell."""
    if trace.error:
        trace.error = _told(trace.error)
    if isinstance(trace, CallTrace) and trace.rpc_error:
        trace.rpc_error = _told(trace.rpc_error)
    traces.add(trace)
    exporting.send(trace)


def take_in(observation: Observation, worker: str, environment: Environment) -> None:
    """Keeps what a worker has seen, which was given this environment beside the kernel's."""
    for trace in observation.traces:
        trace.worker = worker
        if trace.error or trace.code_error:
            trace.error = _told(trace.error)
            trace.code_error = _told(trace.code_error)
        traces.add(trace)
        exporting.send(trace, environment)
    for span in observation.spans:
        keep_users_span(span, worker)
    for entry in observation.logs:
        logs.add(replace(entry, worker_id=worker))
    logs.note_dropped(observation.dropped)


def keep_users_span(span: SpanRecord, worker: str = "") -> None:
    """Keeps a span that the user's code has made, which the user's provider exports itself."""
    events = tuple(
        replace(
            event,
            name=redaction.redacted(event.name),
            attributes=_without_secrets(event.attributes),
        )
        for event in span.events
    )
    seen = replace(
        span,
        name=redaction.redacted(span.name),
        attributes=_without_secrets(span.attributes),
        error=_told(span.error),
        events=events,
        worker_id=worker,
    )
    traces.add(UsersSpan(seen))


def _told(error: str) -> str:
    """Cuts what an error says, behind the look for secrets: half a one would not be found."""
    return redaction.redacted(error)[:SHOWN_ERROR]


def _without_secrets(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {
        name: redaction.redacted(value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }
