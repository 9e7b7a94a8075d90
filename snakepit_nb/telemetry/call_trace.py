"""What is kept of a call to make its spans of, once somebody wants to see them.

A call takes its times as it goes, and no more: making five spans would cost it more than the rest
of its way through the pool.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from snakepit_nb.calls import Origin
from snakepit_nb.errors import Progress
from snakepit_nb.observations import (
    CORRELATION_ATTRIBUTE,
    LOST_ATTRIBUTE,
    PART_KEY,
    Attribute,
    Part,
    SpanRecord,
)


class Traced(Protocol):
    """Something whose spans can be made."""

    @property
    def trace_id(self) -> int:
        """The trace that they belong to."""

    @property
    def correlation_id(self) -> str:
        """The id of the calls that they tell of."""

    @property
    def begun(self) -> int:
        """When the first begins, in nanoseconds since 1970."""

    @property
    def is_root(self) -> bool:
        """Whether nothing is around them."""

    @property
    def is_frame(self) -> bool:
        """Whether it is a cell's, within which all others of its trace lie."""

    @property
    def awaits(self) -> int:
        """The span whose worker's part belongs to them; 0: none."""

    @property
    def answers(self) -> int:
        """The span whose worker's part they are; 0: none."""

    def records(self) -> Iterable[SpanRecord]:
        """Makes the spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAttempt:
    """A way of a call to a worker that was lost, before the call was run again."""

    worker: str
    progress: Progress
    sent: int
    answered: int
    error: str


@dataclass(slots=True, kw_only=True)
class CallTrace:
    """The kernel's part of a call. Times are nanoseconds since 1970, 0 where it did not get there.

    Its spans: the whole call, its wait for a worker, and its way there and back.
    """

    origin: Origin
    correlation_id: str
    what: str
    pool: str
    call_id: str
    session_id: str = ""
    worker: str = ""
    entered: int
    """When its pool began to look for a worker."""
    granted: int = 0
    sent: int = 0
    answered: int = 0
    ended: int = 0
    chunks: int = 0
    error: str = ""
    rpc_error: str = ""
    lost: Sequence[LostAttempt] = ()
    is_lost: bool = False
    """Its worker was gone: nothing more comes from there."""
    answers: int = 0
    is_frame: bool = False

    @property
    def trace_id(self) -> int:
        """The trace."""
        return self.origin.trace_id

    @property
    def begun(self) -> int:
        """When it was made."""
        return self.origin.at

    @property
    def is_root(self) -> bool:
        """Whether no cell and no span is around it."""
        return not self.origin.parent_id

    @property
    def awaits(self) -> int:
        """Its way to the worker, if it got so far."""
        return self.origin.rpc_id if self.sent and not self.is_lost else 0

    def records(self) -> Iterator[SpanRecord]:
        """Makes the spans."""
        about: dict[str, Attribute] = {
            PART_KEY: Part.CALL.value,
            CORRELATION_ATTRIBUTE: self.correlation_id,
            "snakepit.call_id": self.call_id,
            "snakepit.pool": self.pool,
        }
        if self.session_id:
            about["snakepit.session_id"] = self.session_id
        whole = SpanRecord(
            trace_id=self.trace_id,
            span_id=self.origin.span_id,
            parent_id=self.origin.parent_id,
            name=self.what,
            begun=self.begun,
            ended=self.ended,
            attributes=about,
            is_error=bool(self.error),
            error=self.error,
        )
        yield whole
        yield self._queue(whole)
        earlier = [self._lost_rpc(*attempt, whole) for attempt in enumerate(self.lost, start=1)]
        yield from earlier
        if self.sent:
            links = tuple((span.trace_id, span.span_id) for span in earlier)
            yield replace(self._rpc(whole), links=links)

    def _queue(self, whole: SpanRecord) -> SpanRecord:
        is_refused = not self.granted
        return SpanRecord(
            trace_id=self.trace_id,
            # Nothing lies within it, so nobody else must know its id.
            span_id=self.origin.span_id ^ self.origin.rpc_id or 1,
            parent_id=whole.span_id,
            name="queue",
            begun=self.entered,
            ended=self.granted or self.ended,
            attributes={PART_KEY: Part.QUEUE.value},
            is_error=is_refused and whole.is_error,
            error=self.error if is_refused else "",
        )

    def _lost_rpc(self, number: int, attempt: LostAttempt, whole: SpanRecord) -> SpanRecord:
        return SpanRecord(
            trace_id=self.trace_id,
            # Nothing lies within it: what its worker knew is lost.
            span_id=(self.origin.rpc_id + number) % (1 << 64) or 1,
            parent_id=whole.span_id,
            name="rpc",
            kind="client",
            begun=attempt.sent or self.entered,
            ended=attempt.answered or self.ended,
            attributes={
                PART_KEY: Part.RPC.value,
                "snakepit.worker_id": attempt.worker,
                LOST_ATTRIBUTE: True,
            },
            is_error=True,
            error=attempt.error or f"the worker was lost; the call {attempt.progress.value}",
        )

    def _rpc(self, whole: SpanRecord) -> SpanRecord:
        about: dict[str, Attribute] = {
            PART_KEY: Part.RPC.value,
            "snakepit.worker_id": self.worker,
        }
        if self.chunks:
            about["snakepit.chunks"] = self.chunks
        if self.is_lost:
            about[LOST_ATTRIBUTE] = True
        return SpanRecord(
            trace_id=self.trace_id,
            span_id=self.origin.rpc_id,
            parent_id=whole.span_id,
            name="rpc",
            kind="client",
            begun=self.sent,
            ended=self.answered or self.ended,
            attributes=about,
            is_error=bool(self.rpc_error),
            error=self.rpc_error,
        )
