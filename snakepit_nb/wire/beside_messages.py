"""What a worker says beside its cells, to and from messages."""

from snakepit_nb.calls import Beside, CellEvent, CommMessage, LateOutput
from snakepit_nb.errors import ValueEncodingError

from .cell_messages import read_event, write_event
from .generated import snakepit_cells_pb2 as cells


def write_said(said: CellEvent | LateOutput) -> cells.CellOutput:
    """Writes one thing that was said."""
    if isinstance(said, LateOutput):
        output = write_event(said.event)
        return cells.CellOutput(late=cells.LateOutput(parent=said.parent, output=output))
    return write_event(said)


def read_said(output: cells.CellOutput) -> Beside:
    """Reads one thing that was said."""
    if output.WhichOneof("output") == "late":
        return LateOutput(parent=output.late.parent, event=read_event(output.late.output))
    event = read_event(output)
    if isinstance(event, CommMessage):
        return event
    raise ValueEncodingError("What the worker says beside its cells is of a kind unknown here.")
