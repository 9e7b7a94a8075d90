"""Shows what a worker's cell puts out as the output of the notebook's cell.

It goes the way that the kernel's own output goes, through `sys.stdout` and the shell's publishers,
so that `%%capture` and the Output widget catch it, and it lands in the cell that runs.
"""

import sys
from typing import Any, assert_never

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.calls import (
    CellError,
    CellEvent,
    ClearOutput,
    Display,
    ExecuteResult,
    StreamText,
)


def show_event(shell: InteractiveShell, event: CellEvent) -> None:
    """Shows one thing, in the cell that runs."""
    match event:
        case StreamText():
            stream = sys.stderr if event.name == "stderr" else sys.stdout
            stream.write(event.text)
            stream.flush()
        case Display():
            shell.display_pub.publish(
                data=dict(event.data),
                metadata=dict(event.metadata),
                transient=dict(event.transient),
                update=event.update,
            )
        case ExecuteResult():
            _show_result(event)
        case ClearOutput():
            shell.display_pub.clear_output(wait=event.wait)  # type: ignore[no-untyped-call]
        case CellError():
            _send(shell.displayhook, "error", _error_content(event), event.traceback)
        case _:
            assert_never(event)


def _show_result(event: ExecuteResult) -> None:
    hook: Any = sys.displayhook
    if hasattr(hook, "outputs"):  # %%capture put its own there
        hook.outputs.append({"data": event.data, "metadata": event.metadata})
        return
    content = {
        "execution_count": event.execution_count,
        "data": event.data,
        "metadata": event.metadata,
    }
    _send(hook, "execute_result", content, (str(event.data.get("text/plain", "")),))


def _send(hook: Any, kind: str, content: dict[str, Any], plain: tuple[str, ...]) -> None:
    """Sends a message that the kernel's publishers have no method for; prints it in a terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    session = getattr(hook, "session", None)
    if session is None:
        sys.stdout.write("\n".join(plain) + "\n")
    else:
        session.send(hook.pub_socket, kind, content, parent=hook.parent_header, ident=hook.topic)


def _error_content(error: CellError) -> dict[str, Any]:
    return {"ename": error.name, "evalue": error.value, "traceback": list(error.traceback)}
