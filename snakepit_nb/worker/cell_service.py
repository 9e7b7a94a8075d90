"""The worker's end of `snakepit.cells.v1.CellService`: one stream for each cell."""

import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

import anyio

from snakepit_nb.calls import (
    Beside,
    CellCall,
    CellError,
    CellEvent,
    CellReply,
    CommDelivery,
    CommMessage,
    LateOutput,
    StreamText,
)
from snakepit_nb.identifiers import CallId, SessionId
from snakepit_nb.observations import Observation
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.wire.beside_messages import write_said
from snakepit_nb.wire.cell_messages import read_cell, read_inputs, write_reply
from snakepit_nb.wire.code_messages import read_position, write_completions, write_inspection
from snakepit_nb.wire.conversation_messages import read_delivery, read_input_reply
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells
from snakepit_nb.wire.generated import snakepit_cells_pb2_grpc
from snakepit_nb.wire.observation_messages import write_observation

from .context import CallContext, serving
from .observed import Observed
from .outbox import Outbox
from .runner import Runner
from .running import CallEndedError, Place, Running
from .sending import Sending
from .typing_in import TypingIn
from .watch import Headers, ServicerContext, Watch


class Mark:
    """Stands among what a cell shows, and tells in how many messages that before it was sent."""

    def __init__(self) -> None:
        self.messages = 0
        self._passed = anyio.Event()

    def passed(self, messages: int) -> None:
        """Tells whoever waits."""
        self.messages = messages
        self._passed.set()

    async def wait(self, seconds: float) -> int:
        """Returns how many there were, or 0 where it takes longer."""
        with anyio.move_on_after(seconds):
            await self._passed.wait()
        return self.messages


Piece: TypeAlias = CellEvent | LateOutput | Mark
CellOutbox: TypeAlias = Outbox[Piece]

COALESCE_SECONDS = 0.03  # what comes faster is sent together
SENT_SECONDS = 2.0  # how long what a cell asks of the notebook waits for what it has shown
OUTBOX_CHARACTERS = 4 * 1024 * 1024
T = TypeVar("T")

LONGEST_TEXT = 512 * 1024  # characters in one message


class CellService(snakepit_cells_pb2_grpc.CellServiceServicer):
    """Runs cells on the threads of their sessions. IPython is imported by the first one."""

    def __init__(self, runner: Runner, observed: Observed, sending: Sending) -> None:
        self._runner = runner
        self._observed = observed
        self._sending = sending
        self._making_host = threading.Lock()
        self._questions = anyio.CapacityLimiter(1)  # IPython's completer is not made for threads
        self._host: Any = None
        self._typing_in: dict[CallId, TypingIn] = {}
        self._beside = self._new_outbox()

    async def RunCell(  # type: ignore[override]  # it writes
        self, request: cells.CellStart, context: ServicerContext
    ) -> None:
        """Runs one cell and sends what it shows, then its reply."""
        headers = Headers.of(context)
        cell = read_cell(request, headers.correlation_id(request.metadata))
        with (
            headers.watch("cell", cell.correlation_id, self._observed) as watch,
            self._sending.of(cell.call_id) as outgoing,
        ):
            reply = await self._run(request, cell, context, watch)
            await context.write(
                await outgoing.written(
                    partial(write_reply, reply, trust_results=cell.trust_results)
                )
            )

    async def _run(
        self, request: cells.CellStart, cell: CellCall, context: ServicerContext, watch: Watch
    ) -> CellReply:
        outbox = self._new_outbox()
        serves = CallContext(
            call_id=cell.call_id,
            correlation_id=cell.correlation_id,
            session_id=cell.session_id,
            traceparent=watch.traceparent,
            is_cell=True,
            sent=partial(self._sent, outbox),
        )
        typing_in = self._typing_in[cell.call_id] = TypingIn(serves.cancellation)
        inputs = partial(read_inputs, request, self._sending.end)
        work = partial(self._run_here, cell, inputs, outbox, typing_in, serves, watch)
        try:
            async with self._runner.running(
                cell.call_id,
                work,
                outbox.close,
                where=cell.session_id or Place.FRESH_THREAD,
                cancellation=serves.cancellation,
            ) as running:
                try:
                    await _send_events(outbox, context)
                finally:
                    outbox.close()  # where the reader is gone, nobody shall wait for room
            return _reply_of(cell, running)
        except CallEndedError as error:  # it was interrupted before its turn
            return _failed(cell, error)
        finally:
            del self._typing_in[cell.call_id]

    async def Interrupt(
        self, request: cells.InterruptRequest, _: ServicerContext
    ) -> cells.InterruptResponse:
        """Interrupts a cell; it still replies."""
        self._runner.interrupt(CallId(request.call_id))
        return cells.InterruptResponse()

    async def Complete(self, request: cells.CodePosition, _: ServicerContext) -> cells.Completions:
        """Completes code of a session, beside what runs there."""
        position = read_position(request)
        return write_completions(await self._ask(lambda host: host.complete(position), ()))

    async def Inspect(self, request: cells.CodePosition, _: ServicerContext) -> cells.Inspection:
        """Tells what a name of a session means, beside what runs there."""
        position = read_position(request)
        return write_inspection(await self._ask(lambda host: host.inspect(position), None))

    async def ReplyInput(
        self, request: cells.InputReply, _: ServicerContext
    ) -> cells.InputReplyResponse:
        """Answers what a cell asked for."""
        typing_in = self._typing_in.get(CallId(request.call_id))
        if typing_in is not None:
            typing_in.answer(read_input_reply(request))
        return cells.InputReplyResponse()

    async def SendComm(  # type: ignore[override]  # it writes
        self, request: cells.CommDelivery, context: ServicerContext
    ) -> None:
        """Hands a message to the comm that it is for, and sends what the called code shows."""
        if self._host is None:
            return
        headers = Headers.of(context)
        delivery = read_delivery(request, headers.correlation_id(request.metadata))
        session = self._host.comms.session_of(delivery.message)
        if session is None:
            return
        outbox = self._new_outbox()
        work = partial(self._hear_here, delivery, session.session_id, outbox)
        self._runner.start_beside(work, outbox.close, session.session_id)
        try:
            await _send_events(outbox, context)
        finally:
            outbox.close()

    async def Comms(  # type: ignore[override]  # it writes
        self,
        request: cells.CommsRequest,  # noqa: ARG002 (the seam's)
        context: ServicerContext,
    ) -> None:
        """Sends what comms say while none of the session's code runs, and what comes late."""
        while await self._beside.wait_filled():
            taken = self._beside.take_now()
            for said in _joined_beside(taken):
                await context.write(write_said(said))
            if any(isinstance(piece, LateOutput) for piece in taken):
                await anyio.sleep(COALESCE_SECONDS)

    def close(self) -> None:
        """Ends the stream of what is said beside cells, for which the server would wait."""
        self._beside.close()

    async def WaitStopped(
        self, request: cells.WaitStoppedRequest, _: ServicerContext
    ) -> cells.WaitStoppedResponse:
        """Answers when the worker does not run the given call any more."""
        call_id = CallId(request.call_id)
        await self._runner.wait_ended(call_id)
        await self._sending.forget(call_id)
        return cells.WaitStoppedResponse()

    async def Observe(  # type: ignore[override]  # it writes
        self, request: cells.ObserveRequest, context: ServicerContext
    ) -> None:
        """Sends what the worker has seen of its calls and, if asked, its load at each change."""
        writing = anyio.Lock()

        async def tell(observation: Observation) -> None:
            async with writing:
                await context.write(write_observation(observation))

        self._observed.is_read = True
        async with anyio.create_task_group() as tasks:
            if request.each_load:
                tasks.start_soon(self._tell_loads, tell)
            while await self._observed.filled():
                await tell(self._observed.take(self._runner.load))
            tasks.cancel_scope.cancel()

    async def forget(self, session_id: SessionId) -> bool:
        """Lets a session's variables go, once nothing runs; tells whether there were any."""

        async def forget_here() -> bool:
            return bool(self._host.forget(session_id))

        if self._host is None:
            return False
        call_id = new_call_id()
        freed = await self._runner.run(call_id, forget_here, where=session_id)
        await self._runner.end_session(session_id)
        return freed

    async def _ask(self, question: Callable[[Any], T], nothing: T) -> T:
        """Asks what knows the sessions, on a thread: code of the user's may be run by that."""
        if self._host is None:
            return nothing
        return await anyio.to_thread.run_sync(
            question, self._host, abandon_on_cancel=True, limiter=self._questions
        )

    def _new_outbox(self) -> CellOutbox:
        return Outbox(
            self._runner.call_serving, limit=OUTBOX_CHARACTERS, shield=self._runner.uninterrupted
        )

    def _hear_here(
        self,
        delivery: CommDelivery,
        session_id: SessionId | None,
        outbox: CellOutbox,
    ) -> None:
        """Runs what a comm calls back, on its session's thread."""
        serves = CallContext(
            call_id=delivery.call_id,
            correlation_id=delivery.correlation_id,
            session_id=session_id,
            is_cell=True,
        )
        with serving(serves):
            self._host.hear(delivery, partial(_put_weighed, outbox))

    def _sent(self, outbox: CellOutbox) -> Awaitable[int]:
        """Lets go what the running code has shown; what this returns waits until that is sent."""
        self._cell_host().drain()
        mark = Mark()
        if not outbox.offer(mark, is_urgent=True):
            mark.passed(0)
        return mark.wait(SENT_SECONDS)

    async def _tell_loads(self, tell: Callable[[Observation], Awaitable[None]]) -> None:
        load = -1
        while True:
            load = await self._runner.wait_load(load)
            await tell(Observation(load=load))

    async def _run_here(
        self,
        cell: CellCall,
        inputs: Callable[[], dict[str, object]],
        outbox: CellOutbox,
        typing_in: TypingIn,
        serves: CallContext,
        watch: Watch,
    ) -> CellReply:
        """Runs a cell on its thread."""
        put = partial(_put_weighed, outbox)
        with serving(serves), watch.code():
            reply: CellReply = await self._cell_host().run(cell, inputs, put, typing_in)
            if reply.error is not None:
                watch.note_error(reply.error.name, reply.error.value)
            return reply

    def _cell_host(self) -> Any:  # noqa: ANN401 (its class brings IPython)
        if self._host is None:
            with self._making_host:
                self._make_host()
        return self._host

    def _make_host(self) -> None:
        if self._host is None:  # no other thread has made it meanwhile
            from .cells.cell_host import CellHost  # noqa: PLC0415 (only cells need IPython)

            self._host = CellHost(self._runner, partial(_put_weighed, self._beside))


def _put_weighed(outbox: CellOutbox, event: CellEvent | LateOutput) -> bool:
    weight = 1
    if isinstance(event, LateOutput) and isinstance(event.event, StreamText):
        weight = len(event.event.text)
    elif isinstance(event, StreamText):
        weight = len(event.text)
    elif isinstance(event, CommMessage):
        weight = len(event.data) + sum(map(len, event.buffers))
    return outbox.offer(event, weight)


def _reply_of(cell: CellCall, running: Running[CellReply]) -> CellReply:
    """Returns the cell's reply, or one that tells a fault of ours or of what the kernel sent."""
    try:
        return running.result()
    except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
        return _failed(cell, error)


def _failed(cell: CellCall, error: Exception) -> CellReply:
    return CellReply(execution_count=cell.execution_count, error=_cell_error(error))


def _cell_error(error: BaseException) -> CellError:
    if isinstance(error, CallEndedError) and error.__cause__ is not None:
        error = error.__cause__
    return CellError(
        name=type(error).__name__,
        value=str(error),
        traceback=tuple("".join(traceback.format_exception(error)).splitlines()),
    )


async def _send_events(outbox: CellOutbox, context: ServicerContext) -> None:
    """Sends what the cell shows until the outbox is closed, which the cell's end does."""
    messages = 0
    while await outbox.wait_filled():
        with anyio.move_on_after(COALESCE_SECONDS):
            await outbox.wait_urgent()
        for event in _joined(outbox.take_now()):
            if isinstance(event, Mark):
                event.passed(messages)
            else:
                await context.write(write_said(event))
                messages += 1


def _joined(events: list[Piece]) -> Iterator[Piece]:
    """Joins text with the text of the same stream that follows it."""
    for stream, group in groupby(events, key=_stream_of):
        if stream is None:
            yield from group
            continue
        text = "".join(event.text for event in group if isinstance(event, StreamText))
        for begin in range(0, len(text), LONGEST_TEXT):
            yield StreamText(name=stream, text=text[begin : begin + LONGEST_TEXT])


def _joined_beside(pieces: list[Piece]) -> Iterator[Beside]:
    """Joins text of the same cell and stream."""
    for parent, group in groupby(pieces, key=_parent_of):
        if parent is None:
            yield from (piece for piece in group if isinstance(piece, CommMessage))
            continue
        for event in _joined([late.event for late in group if isinstance(late, LateOutput)]):
            if not isinstance(event, LateOutput | Mark):
                yield LateOutput(parent=parent, event=event)


def _parent_of(piece: Piece) -> bytes | None:
    return piece.parent if isinstance(piece, LateOutput) else None


def _stream_of(event: Piece) -> str | None:
    return event.name if isinstance(event, StreamText) else None
