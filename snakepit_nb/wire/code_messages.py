"""Questions about a session's code, and their answers, to and from `snakepit.cells.v1`."""

import json
from collections.abc import Iterable

from snakepit_nb.calls import CodePosition, Completion, MimeBundle
from snakepit_nb.identifiers import SessionId

from .generated import snakepit_cells_pb2 as cells


def write_position(position: CodePosition) -> cells.CodePosition:
    """Writes a place in code."""
    return cells.CodePosition(
        session_id=position.session_id,
        code=position.code,
        cursor=position.cursor,
        detail_level=position.detail_level,
    )


def read_position(message: cells.CodePosition) -> CodePosition:
    """Reads a place in code."""
    return CodePosition(
        session_id=SessionId(message.session_id),
        code=message.code,
        cursor=message.cursor,
        detail_level=message.detail_level,
    )


def write_completions(completions: Iterable[Completion]) -> cells.Completions:
    """Writes completions."""
    return cells.Completions(
        completions=[
            cells.Completion(start=each.start, end=each.end, text=each.text, type=each.type)
            for each in completions
        ]
    )


def read_completions(message: cells.Completions) -> tuple[Completion, ...]:
    """Reads completions."""
    return tuple(
        Completion(start=each.start, end=each.end, text=each.text, type=each.type)
        for each in message.completions
    )


def write_inspection(found: MimeBundle | None) -> cells.Inspection:
    """Writes what a name means."""
    return cells.Inspection(data=b"" if found is None else json.dumps(found).encode())


def read_inspection(message: cells.Inspection) -> MimeBundle | None:
    """Reads what a name means; None: there is no such name."""
    bundle: MimeBundle | None = json.loads(message.data) if message.data else None
    return bundle
