"""The last traces of this kernel, those of its workers' spans included, in a bounded space."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from snakepit_nb.observations import SpanRecord, Trace

from .call_trace import Traced

KEPT_TRACES = 200
KEPT_PARTS = 1000
"""Of one trace. A call has two, the kernel's and the worker's, with five spans."""
KEPT_IDS = 100
"""Of one trace."""
KEPT_IN_ALL = 20_000
"""Parts of all traces: about 15 MB. Then the oldest traces go, and the last one stays."""


@dataclass(slots=True)
class _Kept:
    parts: list[Traced] = field(default_factory=list)
    correlation_ids: set[str] = field(default_factory=set)
    dropped: int = 0
    begun: int = 0


class Traces:
    """Takes parts of traces from any thread, and makes spans of them when they are looked for."""

    def __init__(
        self,
        *,
        kept_traces: int = KEPT_TRACES,
        kept_parts: int = KEPT_PARTS,
        kept_in_all: int = KEPT_IN_ALL,
    ) -> None:
        self._kept_traces = kept_traces
        self._kept_parts = kept_parts
        self._kept_in_all = kept_in_all
        self._in_all = 0
        self._traces: OrderedDict[int, _Kept] = OrderedDict()
        self._changed = threading.Condition()

    def add(self, part: Traced) -> None:
        """Keeps a part; the oldest trace makes room for a new one."""
        with self._changed:
            kept = self._traces.get(part.trace_id)
            if kept is None:
                kept = self._traces[part.trace_id] = _Kept(begun=part.begun)
            if len(kept.correlation_ids) < KEPT_IDS:
                kept.correlation_ids.add(part.correlation_id)
            # A cell comes last, and without it the rest has no frame.
            if len(kept.parts) < self._kept_parts or part.is_frame:
                kept.parts.append(part)
                self._in_all += 1
            else:
                kept.dropped += 1
            if part.is_root:
                kept.begun = max(kept.begun, part.begun)
            self._make_room()
            self._changed.notify_all()

    def find(self, wanted: str = "last") -> Trace | None:
        """Returns the trace of a correlation id or trace id, or the one that began last."""
        with self._changed:
            found = self._find(wanted)
            kept = None if found is None else self._traces[found]
            parts, dropped = (kept.parts.copy(), kept.dropped) if kept is not None else ([], 0)
        return None if found is None else _trace(found, parts, dropped)

    def find_whole(self, wanted: str = "last", *, timeout: float) -> Trace | None:
        """As `find`, but waits a little for the workers' parts, which come home in batches."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_whole(self._find(wanted)), timeout)
        return self.find(wanted)

    def correlation_ids(self) -> tuple[str, ...]:
        """Returns the ids that traces here have, the last first."""
        with self._changed:
            traces = [sorted(kept.correlation_ids) for kept in reversed(self._traces.values())]
        return tuple(dict.fromkeys(each for ids in traces for each in ids if each))

    def _make_room(self) -> None:
        while len(self._traces) > self._kept_traces or (
            self._in_all > self._kept_in_all and len(self._traces) > 1
        ):
            _, oldest = self._traces.popitem(last=False)
            self._in_all -= len(oldest.parts)

    def _find(self, wanted: str) -> int | None:
        if wanted == "last":
            begun = {trace_id: kept.begun for trace_id, kept in self._traces.items()}
            return max(begun, key=begun.__getitem__, default=None)
        for trace_id in reversed(self._traces):
            ids = self._traces[trace_id].correlation_ids
            if wanted in ids or wanted == f"{trace_id:032x}":
                return trace_id
        return None

    def _is_whole(self, trace_id: int | None) -> bool:
        if trace_id is None:
            return True
        kept = self._traces[trace_id]
        answered = {part.answers for part in kept.parts}
        return bool(kept.dropped) or all(
            part.awaits in answered for part in kept.parts if part.awaits
        )


def _trace(trace_id: int, parts: list[Traced], dropped: int) -> Trace:
    records = (record for part in parts for record in part.records())
    spans = sorted(records, key=lambda span: (span.begun, -span.ended))
    ids = (part.correlation_id for part in sorted(parts, key=lambda part: part.begun))
    return Trace(
        trace_id=trace_id,
        correlation_id=next((each for each in ids if each), ""),
        spans=tuple(spans),
        dropped=dropped,
    )


@dataclass(slots=True, frozen=True)
class UsersSpan:
    """A span that the user's own code has made within a trace of ours."""

    record: SpanRecord
    correlation_id: str = ""
    is_root: bool = False
    is_frame: bool = False
    awaits: int = 0
    answers: int = 0

    @property
    def trace_id(self) -> int:
        """The trace."""
        return self.record.trace_id

    @property
    def begun(self) -> int:
        """When it began."""
        return self.record.begun

    def records(self) -> tuple[SpanRecord, ...]:
        """Gives the span."""
        return (self.record,)


traces = Traces()
