"""What every layer passes on: tools and their calls, cells and what they show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .identifiers import CallId, CorrelationId, SessionId
from .settings import Affinity


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter of a tool, as its annotation tells it."""

    name: str
    type_name: str = "any"
    description: str = ""
    required: bool = True
    default: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What a worker says of one of its tools."""

    name: str
    description: str = ""
    parameters: tuple[ParameterSpec, ...] = ()
    supports_streaming: bool = False
    is_idempotent: bool = False
    """A call of it may run twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """When a call was made, and the ids of the spans that will tell of it; 0: none will."""

    at: int = 0
    """Nanoseconds since 1970."""
    trace_id: int = 0
    parent_id: int = 0
    """The span around it, a cell's or the user's own."""
    span_id: int = 0
    rpc_id: int = 0
    """Of its way to the worker and back."""
    headers: tuple[tuple[str, str], ...] = ()
    """What carries these to the worker."""


NO_ORIGIN = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One request to run a tool. Nobody may change `parameters` after the call was made."""

    call_id: CallId
    correlation_id: CorrelationId
    tool_name: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    session_id: SessionId | None = None
    affinity: Affinity = Affinity.HINT
    metadata: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    """What people call it, where the tool's own name tells them nothing; it does not travel."""
    origin: Origin = field(default=NO_ORIGIN, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool returned."""

    value: Any
    seconds: float = 0.0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChunk:
    """One piece of what a streaming tool yields. The final chunk only ends: it carries no data."""

    number: int
    data: Any
    is_final: bool = False
    bytes: int = 0
    """Of its data, on the line or beside it."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCall:
    """One notebook cell to run in a worker."""

    call_id: CallId
    correlation_id: CorrelationId
    session_id: SessionId | None
    """None: variables of its own, which are gone after it."""
    code: str
    affinity: Affinity = Affinity.STRICT_QUEUE
    execution_count: int = 0
    """The number that `In[n]` and `Out[n]` show; 0 lets the session count by itself."""
    store_history: bool = True
    inputs: Mapping[str, object] = field(default_factory=dict)
    """Variables to set in the session before the code runs."""
    returns: tuple[str, ...] = ()
    """Variables to send back after it ran."""
    keeps_session: bool = False
    """Its session never expires: it is the notebook's own."""
    is_idempotent: bool = False
    """It may run twice."""
    origin: Origin = field(default=NO_ORIGIN, repr=False, compare=False)


MimeBundle = Mapping[str, Any]
"""MIME type to content, as Jupyter's display messages carry it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamText:
    """Text that the cell wrote to `stdout` or `stderr`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """A rich display, new or (`update`) in place of an earlier one of the same display id."""

    data: MimeBundle
    metadata: MimeBundle = field(default_factory=dict)
    transient: MimeBundle = field(default_factory=dict)
    update: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteResult:
    """The value of the cell's last expression."""

    execution_count: int
    data: MimeBundle
    metadata: MimeBundle = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearOutput:
    """The cell cleared its output, at once or (`wait`) when the next output comes."""

    wait: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CellError:
    """An error that a cell showed or ended by, with the traceback as IPython rendered it."""

    name: str
    value: str
    traceback: tuple[str, ...]
    is_usage: bool = False
    """IPython's own complaint about a magic's line, to be shown as one line on stderr."""


CellEvent = StreamText | Display | ExecuteResult | ClearOutput | CellError


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReply:
    """How a cell ended."""

    execution_count: int
    error: CellError | None = None
    returns: Mapping[str, object] = field(default_factory=dict)
    unsent: Mapping[str, str] = field(default_factory=dict)
    """Of the variables asked for, those that could not be sent, with the reason."""
    payload: tuple[Mapping[str, Any], ...] = ()
    """What the front end shall do, as IPython's payload manager collected it (`%load`, pager)."""
    names: tuple[str, ...] = ()
    """The variables that the session has now, for the day its worker is lost."""
