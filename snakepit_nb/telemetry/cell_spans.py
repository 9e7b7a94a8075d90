"""The span of each notebook cell that makes calls: the frame in which their spans lie."""

import time
from collections import OrderedDict

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context

from snakepit_nb.calls import Origin
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, PART_KEY, Part

from .correlation import requests
from .tracing import fail, tracing

REMEMBERED_CELLS = 100  # that have begun and not ended; several run only in subshells


class CellSpans:
    """Notes when cells begin, and makes a span of one at its first call."""

    def __init__(self) -> None:
        self._begun: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._spans: dict[str, trace.Span] = {}

    def begin(self, name: str) -> None:
        """Notes that the running request begins."""
        key = requests.request_key()
        if key is not None:
            self._begun[key] = (name, time.time_ns())
            if len(self._begun) > REMEMBERED_CELLS:
                self._spans.pop(self._begun.popitem(last=False)[0], None)

    def end(self, error: BaseException | None) -> None:
        """Ends the running request's span, if it has one."""
        key = requests.request_key() or ""
        self._begun.pop(key, None)
        span = self._spans.pop(key, None)
        if span is not None:
            if error is not None:
                fail(span, error)
            span.end()

    def origin(self, correlation_id: CorrelationId) -> Origin:
        """Returns what a call that is made here takes along, under the running cell's span."""
        here = contexts.get_current()
        if not (here and trace.get_current_span().get_span_context().is_valid):
            here = self._within_cell(here, correlation_id)
        return Origin(at=time.time_ns(), surroundings=here or None)

    def _within_cell(self, here: Context, correlation_id: CorrelationId) -> Context:
        key = requests.request_key()
        if key is None or key not in self._begun:
            return here
        if key not in self._spans:
            name, begun = self._begun[key]
            tracing.look_for_provider()
            self._spans[key] = tracing.tracer.start_span(
                name,
                here,
                attributes={PART_KEY: Part.CELL.value, CORRELATION_ATTRIBUTE: correlation_id},
                start_time=begun,
            )
        return trace.set_span_in_context(self._spans[key], here)


cell_spans = CellSpans()
