"""What every layer passes on: tools and their calls, cells and what they show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .identifiers import CallId, CorrelationId, SessionId, WorkerId
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

    @property
    def header_bytes(self) -> int:
        """How many bytes the headers have, which are ASCII."""
        return sum(len(name) + len(value) for name, value in self.headers)


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
    worker_id: WorkerId | None = None
    """The only worker that it wants."""
    on_behalf_of: tuple[CallId, ...] = ()
    """The calls that wait for it: it is made by a host tool that the last of them has called."""
    is_awaited: Callable[[], bool] | None = field(default=None, repr=False, compare=False)
    """Tells whether that host tool waits for it now; None: it does all the time."""
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
class CallPlace:
    """A call's worker, or None while it waits and how many others wait that came before it."""

    worker_id: WorkerId | None
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCall:
    """One notebook cell to run in a worker."""

    call_id: CallId
    correlation_id: CorrelationId
    session_id: SessionId | None
    """None: variables of its own, which are gone after it."""
    code: str
    affinity: Affinity = Affinity.STRICT_QUEUE
    worker_id: WorkerId | None = None
    """The only worker that it wants; its session, if it is new, settles there."""
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
    trust_results: bool = False
    """Variables that the codec does not carry may come back as pickles."""
    allow_stdin: bool = False
    """Somebody is there to answer what its code asks for."""
    parent: bytes = b""
    """JSON: the front end's message that asked for it, without its code; empty: there is none."""
    on_behalf_of: tuple[CallId, ...] = ()
    """As a tool's."""
    origin: Origin = field(default=NO_ORIGIN, repr=False, compare=False)


CELL_FILES_VARIABLE = "SNAKEPIT_CELL_FILES"
"""The variable by which a kernel tells its workers in which directory it keeps cells' files."""

NO_SUCH_VARIABLE = "the session has no variable of this name"
"""The reason why a variable was not sent that is not there."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePosition:
    """A place in code that somebody is about to run in a session."""

    session_id: SessionId
    code: str
    cursor: int
    """In characters."""
    detail_level: int = 0
    """Of an inspection: 1 wants the source too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the characters from `start` to `end` of some code may become."""

    start: int
    end: int
    text: str
    type: str = ""
    """`function`, `module`, `instance` and the like, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequest:
    """The code waits for a line that somebody types."""

    prompt: str
    is_password: bool = False
    number: int = 0
    """Of the requests of its cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReply:
    """What was typed, or the exception that came of it."""

    number: int
    text: str = ""
    error_name: str = ""
    error_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommMessage:
    """One message of a comm, as Jupyter has them, on its way from or to a worker."""

    kind: str
    """`comm_open`, `comm_msg` or `comm_close`; `comm_target`: the front end may open such comms."""
    comm_id: str = ""
    data: bytes = b"{}"
    """JSON; it is read where it is used only."""
    metadata: bytes = b"{}"
    buffers: tuple[bytes, ...] = ()
    target_name: str = ""
    target_module: str = ""
    number: int = 0
    """Of what the worker sends by this comm: on different ways, one message overtakes another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommDelivery:
    """A comm's message from the front end, for the code in the worker that it calls back."""

    call_id: CallId
    correlation_id: CorrelationId
    message: CommMessage
    parent: bytes = b"{}"
    """JSON: the front end's message, without its content."""
    origin: Origin = field(default=NO_ORIGIN, repr=False, compare=False)


CellEvent = (
    StreamText | Display | ExecuteResult | ClearOutput | CellError | InputRequest | CommMessage
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateOutput:
    """What a task or a thread of a cell shows when the cell has ended."""

    parent: bytes
    """JSON: the front end's message that asked for the cell, but for its code."""
    event: CellEvent


Beside = CommMessage | LateOutput
"""What a worker says while none of the code runs that it belongs to."""


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
