"""The call that the running code belongs to."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from snakepit_nb.identifiers import CallId, CorrelationId, SessionId
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to

from .host_proxy import Host, host


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
    traceparent: str = ""
    """The span of the running code, as a header carries it; empty: there is none."""
    is_cell: bool = False
    sent: Callable[[], Awaitable[int]] | None = field(default=None, repr=False, compare=False)
    """Called by a cell's code: sends what it showed; to be awaited, tells in how many messages."""
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False, compare=False)

    @property
    def host(self) -> Host:
        """The functions that the notebook offers."""
        return host

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


def is_in_tool() -> bool:
    """Tells whether the running code is surely a tool's; a cell's threads belong to no call."""
    context = _current.get()
    return context is not None and not context.is_cell


class serving:  # noqa: N801 (used as a function; a generator would cost each call more)
    """Makes the code within the `with` belong to a call."""

    __slots__ = ("_context", "_label", "_token")

    def __init__(self, context: CallContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = _current.set(self._context)
        context = self._context
        self._label = belong_to(Label(context.correlation_id, "", context.session_id or ""))

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        belong_no_more(self._label)
