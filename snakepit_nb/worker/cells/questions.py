"""What is asked about a session's code while somebody writes it."""

from typing import Any

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.utils.tokenutil import token_at_cursor

from snakepit_nb.calls import CodePosition, Completion, MimeBundle

from .shell import ZMQInteractiveShell

MOST_COMPLETIONS = 1000


def completions_of(shell: ZMQInteractiveShell, position: CodePosition) -> list[Completion]:
    """Completes code as the shell's own front end would."""
    completer: Any = shell.Completer
    with provisionalcompleter():
        found = completer.completions(position.code, position.cursor)
        return [
            Completion(start=each.start, end=each.end, text=each.text, type=each.type or "")
            for each, _ in zip(
                rectify_completions(position.code, found), range(MOST_COMPLETIONS), strict=False
            )
        ]


def inspection_of(shell: ZMQInteractiveShell, position: CodePosition) -> MimeBundle | None:
    """Tells what the name at the cursor means; None: there is no such name."""
    name = token_at_cursor(position.code, position.cursor)
    try:
        bundle = dict(shell.object_inspect_mime(name, detail_level=position.detail_level))
    except KeyError:
        return None
    if not shell.enable_html_pager:  # as ipykernel's own answer
        bundle.pop("text/html", None)
    return bundle
