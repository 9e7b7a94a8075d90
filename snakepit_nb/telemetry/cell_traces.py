"""The span of each notebook cell that makes calls: the frame in which their spans lie."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.observations import CORRELATION_ATTRIBUTE, PART_KEY, Part, SpanRecord

from .correlation import requests
from .ids import error_words, new_span_id, trace_id_of

REMEMBERED_CELLS = 100  # that have begun and not ended; several run only in subshells


@dataclass(slots=True, kw_only=True)
class CellTrace:
    """A cell that makes calls. Times are nanoseconds since 1970."""

    trace_id: int
    span_id: int
    correlation_id: CorrelationId
    name: str
    begun: int
    ended: int = 0
    error: str = ""
    awaits: int = 0
    answers: int = 0
    is_root: bool = True
    is_frame: bool = True

    def records(self) -> Iterator[SpanRecord]:
        """Makes the span."""
        yield SpanRecord(
            trace_id=self.trace_id,
            span_id=self.span_id,
            name=self.name,
            begun=self.begun,
            ended=self.ended,
            attributes={PART_KEY: Part.CELL.value, CORRELATION_ATTRIBUTE: self.correlation_id},
            is_error=bool(self.error),
            error=self.error,
        )


@dataclass(slots=True)
class _Begun:
    name: str
    at: int
    depth: int = 0
    """How many cells it runs itself, each within the other, as `%run other.ipynb` does."""


class CellTraces:
    """Notes when cells begin, and makes a trace of one at its first call."""

    def __init__(self) -> None:
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._traces: dict[str, CellTrace] = {}
        self.sink: Callable[[CellTrace], object] = lambda _: None
        """Gets those that have ended."""

    def begin(self, name: str) -> None:
        """Notes that the running request begins."""
        key = requests.request_key()
        if key is None:
            return
        if key in self._begun:
            self._begun[key].depth += 1
        else:
            self._begun[key] = _Begun(name, time.time_ns())
            if len(self._begun) > REMEMBERED_CELLS:
                self._traces.pop(self._begun.popitem(last=False)[0], None)

    def end(self, error: BaseException | None, *, name: str = "") -> None:
        """Ends the running request's trace, if it has one; its name may be known by now only."""
        key = requests.request_key() or ""
        begun = self._begun.get(key)
        if begun is not None and begun.depth:
            begun.depth -= 1
            return
        self._begun.pop(key, None)
        trace = self._traces.pop(key, None)
        if trace is not None:
            trace.ended = time.time_ns()
            trace.error = error_words(error)
            trace.name = name or trace.name
            self.sink(trace)

    def around(self, correlation_id: CorrelationId) -> CellTrace | None:
        """Returns the trace of the running cell, begun now if this is its first call."""
        key = requests.request_key()
        begun = None if key is None else self._begun.get(key)
        if key is None or begun is None:
            return None
        found = self._traces.get(key)
        if found is not None:
            return found
        made = CellTrace(
            trace_id=trace_id_of(correlation_id),
            span_id=new_span_id(),
            correlation_id=correlation_id,
            name=begun.name,
            begun=begun.at,
        )
        return self._traces.setdefault(key, made)  # another thread of the cell may be faster


cell_traces = CellTraces()
