"""What cells and comms say to the front end and hear from it, to and from messages."""

from snakepit_nb.calls import CellEvent, CommDelivery, CommMessage, InputReply, InputRequest
from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.identifiers import CALL_ID_KEY, CallId, CorrelationId

from .generated import snakepit_cells_pb2 as cells
from .messages import call_metadata


def write_conversation(event: InputRequest | CommMessage) -> cells.CellOutput:
    """Writes what wants an answer."""
    if isinstance(event, CommMessage):
        return cells.CellOutput(comm=_write_comm(event))
    request = cells.InputRequest(
        prompt=event.prompt, is_password=event.is_password, number=event.number
    )
    return cells.CellOutput(input=request)


def read_conversation(output: cells.CellOutput) -> CellEvent:
    """Reads what wants an answer."""
    kind = output.WhichOneof("output")
    if kind == "comm":
        return _read_comm(output.comm)
    if kind == "input":
        request = output.input
        return InputRequest(
            prompt=request.prompt, is_password=request.is_password, number=request.number
        )
    raise ValueEncodingError("The worker's message on a cell is of a kind unknown here.")


def write_input_reply(call_id: CallId, reply: InputReply) -> cells.InputReply:
    """Writes what was typed for a cell."""
    return cells.InputReply(
        call_id=call_id,
        number=reply.number,
        text=reply.text,
        error_name=reply.error_name,
        error_value=reply.error_value,
    )


def read_input_reply(reply: cells.InputReply) -> InputReply:
    """Reads what was typed."""
    return InputReply(
        number=reply.number,
        text=reply.text,
        error_name=reply.error_name,
        error_value=reply.error_value,
    )


def write_delivery(delivery: CommDelivery) -> cells.CommDelivery:
    """Writes a comm's message for a worker."""
    return cells.CommDelivery(
        message=_write_comm(delivery.message),
        parent=delivery.parent,
        metadata=call_metadata(delivery.call_id, delivery.correlation_id),
    )


def read_delivery(delivery: cells.CommDelivery, correlation_id: CorrelationId) -> CommDelivery:
    """Reads a comm's message."""
    return CommDelivery(
        call_id=CallId(delivery.metadata[CALL_ID_KEY]),
        correlation_id=correlation_id,
        message=_read_comm(delivery.message),
        parent=delivery.parent,
    )


def _write_comm(message: CommMessage) -> cells.CommMessage:
    return cells.CommMessage(
        kind=message.kind,
        comm_id=message.comm_id,
        data=message.data,
        metadata=message.metadata,
        buffers=message.buffers,
        target_name=message.target_name,
        target_module=message.target_module,
        number=message.number,
    )


def _read_comm(message: cells.CommMessage) -> CommMessage:
    return CommMessage(
        kind=message.kind,
        comm_id=message.comm_id,
        data=message.data,
        metadata=message.metadata,
        buffers=tuple(message.buffers),
        target_name=message.target_name,
        target_module=message.target_module,
        number=message.number,
    )
