"""Made-up spans, in milliseconds from the begin of a cell."""

from collections.abc import Iterable, Mapping
from itertools import count
from types import MappingProxyType

from snakepit_nb.observations import CORRELATION_ATTRIBUTE, PART_KEY, Part, SpanRecord, Trace
from snakepit_nb.telemetry.traces import UsersSpan

MIDNIGHT = 1_790_000_000_000_000_000
MILLISECOND = 1_000_000
ID = "sp-6f1e0c9a4d2b8e7f30415263"

_numbers = count(1)


def span(  # noqa: PLR0913 (what a span is)
    part: Part | None,
    name: str,
    milliseconds: tuple[float, float],
    parent: SpanRecord | None = None,
    *,
    worker: str = "",
    error: str = "",
    attributes: Mapping[str, str | int] = MappingProxyType({}),
) -> SpanRecord:
    ours = {} if part is None else {PART_KEY: part.value, CORRELATION_ATTRIBUTE: ID}
    begun, ended = milliseconds
    return SpanRecord(
        trace_id=0xABC,
        span_id=next(_numbers),
        parent_id=0 if parent is None else parent.span_id,
        name=name,
        begun=MIDNIGHT + round(begun * MILLISECOND),
        ended=MIDNIGHT + round(ended * MILLISECOND),
        attributes={**ours, **attributes},
        worker_id=worker,
        is_error=bool(error),
        error=error,
    )


def call(  # noqa: PLR0913 (what a call is)
    name: str,
    parent: SpanRecord | None,
    at: float,
    *,
    queue: float = 1,
    code: float = 10,
    worker: str = "w0",
    error: str = "",
    chunks: int = 0,
) -> list[SpanRecord]:
    """The five spans of a call that begins at `at`; its worker works 1 before the code, 1 after."""
    granted = at + queue
    ended = granted + code + 4
    remote = f"Remote{error}" if error else ""
    whole = span(Part.CALL, f"call {name}", (at, ended), parent, error=remote)
    waiting = span(Part.QUEUE, "queue", (at, granted), whole)
    told: dict[str, str | int] = {"snakepit.worker_id": worker}
    if chunks:
        told["snakepit.chunks"] = chunks
    rpc = span(Part.RPC, "rpc", (granted, ended), whole, error=remote, attributes=told)
    within = (granted + 1, ended - 1)
    served = span(Part.WORKER, "worker", within, rpc, worker=worker, error=error)
    within = (granted + 2, ended - 2)
    tool = span(Part.TOOL, f"tool {name}", within, served, worker=worker, error=error)
    return [whole, waiting, rpc, served, tool]


def part_of(record: SpanRecord) -> UsersSpan:
    """Makes of a span what is kept of a trace."""
    return UsersSpan(
        record,
        correlation_id=str(record.attributes.get(CORRELATION_ATTRIBUTE, "")),
        is_root=not record.parent_id,
        awaits=record.span_id if record.part is Part.RPC else 0,
        answers=record.parent_id if record.part is Part.WORKER else 0,
    )


def trace(spans: Iterable[SpanRecord], *, dropped: int = 0) -> Trace:
    ordered = sorted(spans, key=lambda each: (each.begun, -each.ended))
    return Trace(trace_id=0xABC, correlation_id=ID, spans=tuple(ordered), dropped=dropped)
