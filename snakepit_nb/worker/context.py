"""The call that the running code belongs to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from snakepit_nb.telemetry.correlation import correlation


class Cancellation:
    """Whether a call has been interrupted; it stays so after the call's end."""

    __slots__ = ("requested",)

    def __init__(self) -> None:
        self.requested = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What user code may know of the call that it serves."""

    call_id: CallId
    correlation_id: CorrelationId
    session_id: SessionId | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The whole metadata of the request."""
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Tells whether nobody waits for the call any more: plain code in a thread should end."""
        return self.cancellation.requested


_current: ContextVar[CallContext | None] = ContextVar("snakepit_call", default=None)


def current_call() -> CallContext:
    """Returns the call that the running code belongs to.

    Raises:
        LookupError: no call runs here.
    """
    context = _current.get()
    if context is None:
        raise LookupError("No call runs here: current_call() is for the code of tools and cells.")
    return context


def is_cancelled() -> bool:
    """Tells whether the running code belongs to a call that nobody waits for any more."""
    context = _current.get()
    return context is not None and context.cancelled


@contextmanager
def serving(context: CallContext) -> Iterator[None]:
    """Makes the code within the `with` belong to a call."""
    token = _current.set(context)
    try:
        with correlation(context.correlation_id):
            yield
    finally:
        _current.reset(token)
