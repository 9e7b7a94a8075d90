"""The seam between the pool and one worker.

Above: the pool. Below: gRPC, or nothing at all in tests. It knows nothing of queues, capacity or
processes. What the worker or the way to it does wrong comes up as an error of
`snakepit_nb.errors`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from snakepit_nb.calls import (
    Beside,
    CellCall,
    CellEvent,
    CellReply,
    CodePosition,
    CommDelivery,
    Completion,
    InputReply,
    MimeBundle,
    ToolCall,
    ToolChunk,
    ToolResult,
    ToolSpec,
)
from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.observations import EventControl, Observation, ToldEvent

PutCellEvent = Callable[[CellEvent], Awaitable[None]]


class EventTap(Protocol):
    """What a worker tells of itself, while its `async with` lasts."""

    async def control(self, control: EventControl) -> None:
        """Changes what the worker tells from now on.

        Raises: as `read`.
        """

    async def read(self) -> ToldEvent | None:
        """Waits for the next event, or for the one kept the longest; None: no more will come.

        Nothing can be read any more when this was cancelled.

        Raises:
            WorkerCrashedError: the worker is gone.
            WorkerError: it has no such stream.
        """


class WorkerChannel(Protocol):
    """The pool's way to one worker. Cancelling a method stops the worker's part soon after."""

    async def ping(self) -> None:
        """Returns when the worker's interpreter has answered; native code may hold it up.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    async def tools(self) -> tuple[ToolSpec, ...]:
        """Returns what the worker offers."""

    async def call(self, call: ToolCall) -> ToolResult:
        """Runs a tool.

        Raises:
            ToolError: the tool raised.
            UsageError: the call does not fit the tool.
            ValueEncodingError: a parameter or the result does not travel.
            WorkerCrashedError: the worker is gone.
        """

    def stream(self, call: ToolCall) -> AsyncGenerator[ToolChunk]:
        """Runs a streaming tool; yields its items, and last a final chunk without data.

        Raises: as `call`, at any item.
        """

    async def run_cell(self, cell: CellCall, put: PutCellEvent) -> CellReply:
        """Runs a cell; puts out what it shows while it runs. An error of its code is in the reply.

        Raises:
            ValueEncodingError: a variable does not travel.
            WorkerCrashedError: the worker is gone.
        """

    async def complete(self, position: CodePosition) -> tuple[Completion, ...]:
        """Completes code of a session; of one that the worker does not know, not at all.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    async def inspect(self, position: CodePosition) -> MimeBundle | None:
        """Tells what the name at a place in a session's code means.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    async def interrupt(self, call_id: CallId) -> None:
        """Interrupts a cell that runs, as the notebook's button does; it still replies."""

    async def reply_input(self, call_id: CallId, reply: InputReply) -> None:
        """Hands to a cell what it has asked for; too late, it is dropped."""

    async def send_comm(self, delivery: CommDelivery, put: PutCellEvent) -> None:
        """Hands a message to a comm; puts out what the code shows that it calls back.

        Returns when that code is over, or at once where there is no such comm.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    def beside(self) -> AsyncGenerator[Beside]:
        """Yields what comms say while neither a cell nor what they have called back runs.

        And what code of a cell shows when the cell has ended.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    async def wait_stopped(self, call_id: CallId) -> None:
        """Returns when the worker really runs the call no more."""

    def observe(self, *, each_load: bool) -> AsyncGenerator[Observation]:
        """Yields what the worker has seen of its calls, in batches.

        With `each_load` also at once, and at each change of how many calls it says it holds.

        Raises:
            WorkerCrashedError: the worker is gone.
        """

    def events(self) -> AbstractAsyncContextManager[EventTap]:
        """Attaches to what the worker tells. It is for one at a time: another ends the first."""

    async def end_session(self, session_id: SessionId) -> int:
        """Frees what the worker holds of a session, after what it runs now; returns how much."""
