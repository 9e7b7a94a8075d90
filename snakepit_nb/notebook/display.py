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
    CommMessage,
    Display,
    ExecuteResult,
    InputRequest,
    StreamText,
)
from snakepit_nb.errors import WorkersFailedError
from snakepit_nb.wire.failures import cell_failure

from .error_lines import rendered


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
        case CellError(is_usage=True):
            print(f"UsageError: {event.value}", file=sys.stderr)
        case CellError():
            failure = cell_failure(event)
            shell._showtraceback(type(failure), failure, list(event.traceback))  # noqa: SLF001 (no other shows given lines)
        case InputRequest() | CommMessage():
            pass  # who runs the cell answers them
        case _:
            assert_never(event)


def fail_without_a_word(shell: Any, failure: BaseException) -> None:
    """Lets an error end the cell whose traceback stands there already, above later output."""

    def skip(kind: type[BaseException], error: BaseException, traceback: list[str]) -> None:
        del shell._showtraceback  # noqa: SLF001 (the instance's own; the class's is back)
        if error is not failure:
            shell._showtraceback(kind, error, traceback)  # noqa: SLF001 (as above)

    def render() -> list[str]:  # called when the notebook is about to show it, if ever
        shell._showtraceback = skip  # noqa: SLF001 (as above)
        return []

    failure._render_traceback_ = render  # type: ignore[attr-defined]  # IPython's hook


def fail_as_rendered(shell: Any, failure: WorkersFailedError) -> None:
    """Lets a group of errors end the cell by its own rendering: IPython prints Python's."""

    def show(*arguments: object, **options: object) -> None:
        del shell.showtraceback  # the instance's own; the class's is back
        if sys.exception() is failure:
            shell._showtraceback(type(failure), failure, rendered(failure))  # noqa: SLF001 (no other shows given lines)
        else:
            shell.showtraceback(*arguments, **options)

    shell.showtraceback = show


def _show_result(event: ExecuteResult) -> None:
    hook: Any = sys.displayhook
    if hasattr(hook, "outputs"):  # %%capture put its own there
        hook.outputs.append({"data": event.data, "metadata": event.metadata})
        return
    session = getattr(hook, "session", None)
    if session is None:
        print(event.data.get("text/plain", ""))
        return
    sys.stdout.flush()
    sys.stderr.flush()
    content = {
        "execution_count": event.execution_count,
        "data": event.data,
        "metadata": event.metadata,
    }
    session.send(
        hook.pub_socket, "execute_result", content, parent=hook.parent_header, ident=hook.topic
    )
