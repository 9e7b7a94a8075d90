"""How a tool's answers are written: with their types for our own ends, as plain JSON for others."""

import logging
import os

from snakepit_nb.calls import ToolChunk, ToolResult
from snakepit_nb.wire.frames import SegmentMaker
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.markers import marker_policy
from snakepit_nb.wire.messages import write_chunk, write_result
from snakepit_nb.wire.plain_messages import (
    PlainForm,
    is_of_another_end,
    write_plain_chunk,
    write_plain_result,
)

log = logging.getLogger(__name__)

MOST_TYPES = 10_000
"""How many types are told of, at most."""


class Answers:
    """Writes what one call answers."""

    __slots__ = ("_form", "_tool_name")

    def __init__(self, request: bridge.ExecuteToolRequest) -> None:
        self._tool_name = request.tool_name
        self._form = _plain_form() if is_of_another_end(request) else None

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


_told: set[str] = set()


def _plain_form() -> PlainForm:
    return PlainForm(policy=marker_policy(os.environ), note=_tell_once)


def _tell_once(type_name: str) -> None:
    if type_name not in _told and len(_told) < MOST_TYPES:
        _told.add(type_name)
        log.warning("a %s has no form in JSON: a marker goes in its place", type_name)
