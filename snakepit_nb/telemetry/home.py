"""Where the spans of this kernel and of its workers come together."""

from dataclasses import replace

from snakepit_nb.identifiers import WorkerId
from snakepit_nb.observations import Observation, SpanRecord

from .exporting import exporting
from .traces import traces
from .tracing import tracing


def receive() -> None:
    """Lets this process keep what its calls leave, from now on; again only does nothing."""
    exporting.begin()
    tracing.send_to(_keep)


def take_in(
    observation: Observation, worker_id: WorkerId, environment: tuple[tuple[str, str], ...]
) -> None:
    """Keeps what a worker has seen, which was given this environment beside the kernel's."""
    for span in observation.spans:
        seen = replace(span, worker_id=worker_id)
        traces.add(seen)
        exporting.send_worker(seen, environment)


def _keep(span: SpanRecord) -> None:
    traces.add(span)
    exporting.send_own(span)
