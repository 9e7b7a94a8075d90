"""The last traces of this kernel, those of its workers' spans included, in a bounded space."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from snakepit_nb.observations import (
    CORRELATION_ATTRIBUTE,
    LOST_ATTRIBUTE,
    Part,
    SpanRecord,
    Trace,
)

KEPT_TRACES = 200
KEPT_SPANS = 2000  # of one trace


@dataclass(slots=True)
class _Kept:
    spans: list[SpanRecord] = field(default_factory=list)
    dropped: int = 0
    begun: int = 0


class Traces:
    """Takes spans from any thread as they end, and puts those of one trace together."""

    def __init__(self, *, kept_traces: int = KEPT_TRACES, kept_spans: int = KEPT_SPANS) -> None:
        self._kept_traces = kept_traces
        self._kept_spans = kept_spans
        self._traces: OrderedDict[int, _Kept] = OrderedDict()
        self._changed = threading.Condition()

    def add(self, span: SpanRecord) -> None:
        """Keeps a span; the oldest trace makes room for a new one."""
        with self._changed:
            kept = self._traces.get(span.trace_id)
            if kept is None:
                kept = self._traces[span.trace_id] = _Kept(begun=span.begun)
                if len(self._traces) > self._kept_traces:
                    self._traces.popitem(last=False)
            # A root comes last, and without it the rest has no frame.
            if len(kept.spans) < self._kept_spans or not span.parent_id:
                kept.spans.append(span)
            else:
                kept.dropped += 1
            kept.begun = max(kept.begun, span.begun) if not span.parent_id else kept.begun
            self._changed.notify_all()

    def find(self, wanted: str = "last") -> Trace | None:
        """Returns the trace of a correlation id or trace id, or the one that began last."""
        with self._changed:
            found = self._find(wanted)
            return None if found is None else _trace(found, self._traces[found])

    def find_whole(self, wanted: str = "last", *, timeout: float) -> Trace | None:
        """As `find`, but waits a little for the workers' spans, which come home in batches."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_whole(self._find(wanted)), timeout)
        return self.find(wanted)

    def correlation_ids(self) -> tuple[str, ...]:
        """Returns the ids of the traces that are kept, the last first."""
        with self._changed:
            found = [_trace(trace_id, kept) for trace_id, kept in self._traces.items()]
        return tuple(trace.correlation_id for trace in reversed(found))

    def _find(self, wanted: str) -> int | None:
        if wanted == "last":
            begun = {trace_id: kept.begun for trace_id, kept in self._traces.items()}
            return max(begun, key=begun.__getitem__, default=None)
        for trace_id in reversed(self._traces):
            if wanted == f"{trace_id:032x}" or any(
                span.attributes.get(CORRELATION_ATTRIBUTE) == wanted
                for span in self._traces[trace_id].spans
            ):
                return trace_id
        return None

    def _is_whole(self, trace_id: int | None) -> bool:
        if trace_id is None:
            return True
        kept = self._traces[trace_id]
        parents = {span.parent_id for span in kept.spans}
        return bool(kept.dropped) or all(
            span.span_id in parents or LOST_ATTRIBUTE in span.attributes
            for span in kept.spans
            if span.part is Part.RPC
        )


def _trace(trace_id: int, kept: _Kept) -> Trace:
    spans = sorted(kept.spans, key=lambda span: (span.begun, -span.ended))
    ids = (span.attributes.get(CORRELATION_ATTRIBUTE) for span in spans)
    return Trace(
        trace_id=trace_id,
        correlation_id=str(next((each for each in ids if each), "")),
        spans=tuple(spans),
        dropped=kept.dropped,
    )


traces = Traces()
