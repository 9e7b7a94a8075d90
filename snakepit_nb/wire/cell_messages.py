"""Cells, what they show and how they end, to and from the messages of `snakepit.cells.v1`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

import cloudpickle

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
from .function_calls import TRUST_RESULTS, read_outcome, write_outcome
from .generated import snakepit_cells_pb2 as cells
from .messages import call_metadata
from .values import decode_value, encode_value, names_class_of


def write_cell(cell: CellCall) -> cells.CellStart:
    """Writes a cell.

    Raises:
        ValueEncodingError: a variable cannot be sent; the message names it and its type.
    """
    return cells.CellStart(
        session_id=cell.session_id or "",
        code=cell.code,
        execution_count=cell.execution_count,
        store_history=cell.store_history,
        inputs={name: _write_input(name, value) for name, value in cell.inputs.items()},
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


def read_inputs(start: cells.CellStart) -> dict[str, object]:
    """Makes the variables that the kernel sent along."""
    return {
        name: cloudpickle.loads(variable.pickled)
        if variable.WhichOneof("form") == "pickled"
        else decode_value(variable.encoded)
        for name, variable in start.inputs.items()
    }


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


def write_reply(reply: CellReply, *, trust_results: bool = False) -> cells.CellOutput:
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
            message.returns[name] = _write_return(name, value, trust_results=trust_results)
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


def read_output(output: cells.CellOutput) -> CellEvent | CellReply:
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
    return _read_rest(output)


def _read_rest(output: cells.CellOutput) -> CellEvent | CellReply:
    kind = output.WhichOneof("output")
    if kind == "clear":
        return ClearOutput(wait=output.clear.wait)
    if kind == "error":
        return _read_error(output.error)
    if kind == "reply":
        return _read_reply(output.reply)
    return read_conversation(output)


def _read_reply(reply: cells.CellReply) -> CellReply:
    returns: dict[str, Any] = {}
    unsent = dict(reply.unsent)
    for name, encoded in reply.returns.items():
        try:
            returns[name] = decode_value(encoded)
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


def _write_input(name: str, value: object) -> cells.Variable:
    """Encodes a variable, or pickles it: pickle may go this way, never back by itself.

    Instances of classes that the notebook defines are pickled, with their classes: the worker has
    none of that name.
    """
    try:
        encoded = encode_value(value)
    except ValueEncodingError:
        pass
    else:
        if not names_class_of(encoded, "__main__"):
            return cells.Variable(encoded=encoded)
    try:
        return cells.Variable(pickled=cloudpickle.dumps(value))
    except Exception as error:  # noqa: BLE001 (users' classes raise anything when pickled)
        raise ValueEncodingError(
            f"variable {name!r} of type {type(value).__qualname__} cannot be sent: "
            + why_not_pickled(name, value, error)
        ) from None


def _write_return(name: str, value: object, *, trust_results: bool) -> bytes:
    if trust_results:
        return encode_value(write_outcome(value, {TRUST_RESULTS: True}, name=name))
    return encode_value(value)


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
