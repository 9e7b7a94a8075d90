"""How a tool's answers are written: with their types for our own ends, as plain JSON for others."""

from collections.abc import Callable

from snakepit_nb.calls import ToolChunk, ToolResult

from .frames import SegmentMaker
from .generated import snakepit_bridge_pb2 as bridge
from .messages import write_chunk, write_result
from .plain_messages import (
    PlainForm,
    is_of_another_end,
    write_plain_chunk,
    write_plain_result,
)


class Answers:
    """Writes what one call answers."""

    __slots__ = ("_form", "_tool_name")

    def __init__(
        self, request: bridge.ExecuteToolRequest, plain_form: Callable[[], PlainForm]
    ) -> None:
        self._tool_name = request.tool_name
        self._form = plain_form() if is_of_another_end(request) else None

    def result(
        self, result: ToolResult, maker: SegmentMaker | None = None
    ) -> bridge.ExecuteToolResponse:
        """Writes what the tool returned.

        Raises:
            UnsendableResultError: it has a type that does not travel, and the caller is of ours.
        """
        if self._form is None:
            return write_result(self._tool_name, result, maker)
        return write_plain_result(result, self._form)

    def chunk(self, chunk: ToolChunk, maker: SegmentMaker | None = None) -> bridge.ToolChunk:
        """Writes one item of a stream, or its end. Raises: as `result`."""
        if self._form is None:
            return write_chunk(self._tool_name, chunk, maker)
        return write_plain_chunk(self._tool_name, chunk, self._form)
