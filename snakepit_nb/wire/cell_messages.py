"""Cells, what they show and how they end, to and from the messages of `snakepit.cells.v1`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from snakepit_nb.calls import (
    CellCall,
    CellError,
    CellEvent,
    CellReply,
    ClearOutput,
    CommMessage,
    Display,
    ExecuteResult,
    InputRequest,
    StreamText,
)
from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import (
    CALL_ID_KEY,
    CallId,
    CorrelationId,
    SessionId,
)

from .conversation_messages import read_conversation, write_conversation
from .culprits import why_not_pickled
from .frames import SegmentMaker, SegmentOpener, bytes_behind
from .function_calls import TRUST_RESULTS, read_outcome, write_outcome
from .generated import snakepit_cells_pb2 as cells
from .messages import call_metadata
from .packed import Pickled
from .pickles import pickled, unpickled
from .values import decode_value, encode_value, names_class_of


def write_cell(cell: CellCall, maker: SegmentMaker | None = None) -> cells.CellStart:
    """Writes a cell; `maker` puts beside it what is large.

    Raises:
        ValueEncodingError: a variable cannot be sent; the message names it and its type.
    """
    return cells.CellStart(
        session_id=cell.session_id or "",
        code=cell.code,
        execution_count=cell.execution_count,
        store_history=cell.store_history,
        inputs={name: _write_input(name, value, maker) for name, value in cell.inputs.items()},
        returns=cell.returns,
        metadata={
            **call_metadata(cell.call_id, cell.correlation_id),
            **({TRUST_RESULTS: "true"} if cell.trust_results else {}),
        },
        allow_stdin=cell.allow_stdin,
        parent=cell.parent,
    )


def read_cell(start: cells.CellStart, correlation_id: CorrelationId) -> CellCall:
    """Reads a cell but for its inputs, which `read_inputs` makes where the session lives.

    Its correlation id is for the reader to choose, who sees the headers too.
    """
    return CellCall(
        call_id=CallId(start.metadata[CALL_ID_KEY]),
        correlation_id=correlation_id,
        session_id=SessionId(start.session_id) if start.session_id else None,
        code=start.code,
        execution_count=start.execution_count,
        store_history=start.store_history,
        returns=tuple(start.returns),
        trust_results=TRUST_RESULTS in start.metadata,
        allow_stdin=start.allow_stdin,
        parent=start.parent,
    )


def read_inputs(start: cells.CellStart, opener: SegmentOpener | None = None) -> dict[str, object]:
    """Makes the variables that the kernel sent along."""
    return {name: _read_input(variable, opener) for name, variable in start.inputs.items()}


def bytes_behind_reply(output: cells.CellOutput) -> int:
    """Tells how much lies in the segments that a cell's reply refers to; 0 for all else."""
    if output.WhichOneof("output") != "reply":
        return 0
    return sum(map(bytes_behind, output.reply.returns.values()))


def write_event(event: CellEvent) -> cells.CellOutput:
    """Writes one thing that a cell showed."""
    match event:
        case StreamText():
            return cells.CellOutput(stream=cells.StreamText(name=event.name, text=event.text))
        case Display() | ExecuteResult():
            return _write_shown(event)
        case ClearOutput():
            return cells.CellOutput(clear=cells.ClearOutput(wait=event.wait))
        case CellError():
            return cells.CellOutput(error=_write_error(event))
        case InputRequest() | CommMessage():
            return write_conversation(event)
        case _:
            assert_never(event)


def _write_shown(event: Display | ExecuteResult) -> cells.CellOutput:
    data, metadata = _json(event.data), _json(event.metadata)
    if isinstance(event, ExecuteResult):
        return cells.CellOutput(
            result=cells.ExecuteResult(
                execution_count=event.execution_count, data=data, metadata=metadata
            )
        )
    return cells.CellOutput(
        display=cells.Display(
            data=data, metadata=metadata, transient=_json(event.transient), update=event.update
        )
    )


def write_reply(
    reply: CellReply, maker: SegmentMaker | None = None, *, trust_results: bool = False
) -> cells.CellOutput:
    """Writes how a cell ended. Variables that do not travel are named in `unsent`.

    With `trust_results` each is an outcome as a function's is, for `trusted` to read.
    """
    message = cells.CellReply(
        execution_count=reply.execution_count,
        error=None if reply.error is None else _write_error(reply.error),
        unsent=reply.unsent,
        payload=_json(reply.payload),
        names=reply.names,
    )
    for name, value in reply.returns.items():
        try:
            message.returns[name] = _write_return(name, value, maker, trust_results=trust_results)
        except ValueEncodingError as error:
            message.unsent[name] = error.message.replace("The value", name, 1)
    return cells.CellOutput(reply=message)


def trusted(reply: CellReply) -> CellReply:
    """Reads the outcomes of a cell that was run with `trust_results`. This may run any code."""
    returns: dict[str, Any] = {}
    unsent = dict(reply.unsent)
    for name, outcome in reply.returns.items():
        try:
            returns[name], _ = read_outcome(outcome, trust_results=True)
        except Exception as error:  # noqa: BLE001 (unpickling raises anything)
            unsent[name] = f"it cannot be read here: {error}"
    return replace(reply, returns=returns, unsent=unsent)


def read_event(output: cells.CellOutput) -> CellEvent:
    """Reads one thing that was shown, where no reply comes."""
    event = read_output(output)
    if isinstance(event, CellReply):
        raise ValueEncodingError("The worker has sent a reply where none was asked for.")
    return event


def read_output(
    output: cells.CellOutput, opener: SegmentOpener | None = None
) -> CellEvent | CellReply:
    """Reads one thing that a cell showed, or how it ended."""
    kind = output.WhichOneof("output")
    if kind == "stream":
        return StreamText(name=output.stream.name, text=output.stream.text)
    if kind == "display":
        display = output.display
        return Display(
            data=json.loads(display.data),
            metadata=json.loads(display.metadata),
            transient=json.loads(display.transient),
            update=display.update,
        )
    if kind == "result":
        return ExecuteResult(
            execution_count=output.result.execution_count,
            data=json.loads(output.result.data),
            metadata=json.loads(output.result.metadata),
        )
    return _read_rest(output, opener)


def _read_rest(output: cells.CellOutput, opener: SegmentOpener | None) -> CellEvent | CellReply:
    kind = output.WhichOneof("output")
    if kind == "clear":
        return ClearOutput(wait=output.clear.wait)
    if kind == "error":
        return _read_error(output.error)
    if kind == "reply":
        return _read_reply(output.reply, opener)
    return read_conversation(output)


def _read_reply(reply: cells.CellReply, opener: SegmentOpener | None) -> CellReply:
    returns: dict[str, Any] = {}
    unsent = dict(reply.unsent)
    for name, encoded in reply.returns.items():
        try:
            returns[name] = decode_value(encoded, opener)
        except ValueEncodingError as error:
            unsent[name] = error.message
    return CellReply(
        execution_count=reply.execution_count,
        error=_read_error(reply.error) if reply.HasField("error") else None,
        returns=returns,
        unsent=unsent,
        payload=tuple(json.loads(reply.payload)),
        names=tuple(reply.names),
    )


def _write_input(name: str, value: object, maker: SegmentMaker | None) -> cells.Variable:
    """Encodes a variable, or pickles it: pickle may go this way, never back by itself.

    Instances of classes that the notebook defines are pickled, with their classes: the worker has
    none of that name.
    """
    try:
        encoded = encode_value(value, maker)
    except ValueEncodingError:
        pass
    else:
        if not names_class_of(encoded, "__main__"):
            return cells.Variable(encoded=encoded)
    try:
        made = pickled(value)
    except Exception as error:  # noqa: BLE001 (users' classes raise anything when pickled)
        raise ValueEncodingError(
            f"variable {name!r} of type {type(value).__qualname__} cannot be sent: "
            + why_not_pickled(name, value, error)
        ) from None
    if isinstance(made, Pickled):
        return cells.Variable(encoded=encode_value(made, maker))
    return cells.Variable(pickled=made)


def _write_return(
    name: str, value: object, maker: SegmentMaker | None, *, trust_results: bool
) -> bytes:
    if trust_results:
        return encode_value(write_outcome(value, {TRUST_RESULTS: True}, name=name), maker)
    return encode_value(value, maker)


def _read_input(variable: cells.Variable, opener: SegmentOpener | None) -> object:
    if variable.WhichOneof("form") == "pickled":
        return unpickled(variable.pickled)
    value = decode_value(variable.encoded, opener)
    return unpickled(value) if isinstance(value, Pickled) else value


def _write_error(error: CellError) -> cells.CellError:
    return cells.CellError(
        name=error.name,
        value=error.value,
        traceback=error.traceback,
        is_usage=error.is_usage,
    )


def _read_error(error: cells.CellError) -> CellError:
    return CellError(
        name=error.name,
        value=error.value,
        traceback=tuple(error.traceback),
        is_usage=error.is_usage,
    )


def _json(value: Mapping[str, Any] | tuple[Mapping[str, Any], ...]) -> bytes:
    return json.dumps(value).encode()
