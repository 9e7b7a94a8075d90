"""What code in a worker shows, as Jupyter's messages."""

from typing import Any

from snakepit_nb.calls import (
    CellError,
    CellEvent,
    ClearOutput,
    CommMessage,
    Display,
    ExecuteResult,
    InputRequest,
    StreamText,
)

Message = tuple[str, dict[str, Any]]
"""The type and the content of one of Jupyter's messages."""


def message_of(event: CellEvent) -> Message | None:
    """Returns the message that shows something; None: it is not for showing."""
    match event:
        case StreamText():
            return "stream", {"name": event.name, "text": event.text}
        case ClearOutput():
            return "clear_output", {"wait": event.wait}
        case CellError():
            return _error_message(event)
        case Display() | ExecuteResult():
            return _data_message(event)
        case InputRequest() | CommMessage():
            return None


def _error_message(event: CellError) -> Message:
    if event.is_usage:
        return "stream", {"name": "stderr", "text": f"UsageError: {event.value}\n"}
    content = {"ename": event.name, "evalue": event.value, "traceback": list(event.traceback)}
    return "error", content


def _data_message(event: Display | ExecuteResult) -> Message:
    content: dict[str, Any] = {"data": dict(event.data), "metadata": dict(event.metadata)}
    if isinstance(event, ExecuteResult):
        return "execute_result", {**content, "execution_count": event.execution_count}
    kind = "update_display_data" if event.update else "display_data"
    return kind, {**content, "transient": dict(event.transient)}
