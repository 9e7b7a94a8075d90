"""A cell's output where there is no notebook, and whether anybody shall see more than text."""

import os
import sys
from typing import assert_never

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


def print_event(event: CellEvent) -> None:
    """Prints text, and the plain form of displays."""
    match event:
        case StreamText():
            stream = sys.stderr if event.name == "stderr" else sys.stdout
            stream.write(event.text)
            stream.flush()
        case Display() | ExecuteResult():
            print(event.data.get("text/plain", ""))
        case CellError():
            print("\n".join(event.traceback), file=sys.stderr)
        case ClearOutput():
            pass  # what is printed stays
        case InputRequest() | CommMessage():
            pass  # who runs the cell answers the one; the other is for front ends
        case _:
            assert_never(event)


def is_noninteractive() -> bool:
    """Tells whether what is shown must be plain, and the same in every run."""
    return os.environ.get("SNAKEPIT_NONINTERACTIVE", "0") not in {"", "0"}
