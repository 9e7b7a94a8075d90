"""What a front end wants to know of the variables behind a cell: `user_expressions`."""

from collections.abc import Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.cell_plan import CellRequest
from snakepit_nb.blocking.face import pool
from snakepit_nb.calls import CellEvent, Display
from snakepit_nb.errors import SnakepitError

from .cell_options import CellOptions
from .display import show_event
from .requests import parent_without_code, request_of


def values_of_expressions(
    shell: InteractiveShell, options: CellOptions, expressions: Mapping[str, str]
) -> dict[str, Any]:
    """Evaluates expressions where a cell with these options ran, as the kernel does.

    Nothing, where it ran on several workers or with variables that are gone.
    """
    found: dict[str, Any] = {}

    def take(event: CellEvent) -> None:
        if isinstance(event, Display) and event.data.keys() == expressions.keys():
            found.update(event.data)
        else:
            show_event(shell, event)

    targets = options.targets
    if targets is not None and (targets.are_any or targets.are_many):
        return {}
    request = CellRequest(
        code="get_ipython().display_pub.publish("
        f"get_ipython().user_expressions({dict(expressions)!r}))",
        session=options.session,
        targets=targets,
        timeout=options.timeout,
        execution_count=getattr(shell.displayhook, "prompt_count", 0),
        store_history=False,
        parent=parent_without_code(_silent(request_of(shell))),
    )
    try:
        pool(options.pool).run_request(request, take)
    except SnakepitError as error:
        return dict.fromkeys(expressions, _failed(error))
    return found


def _silent(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**request, "content": {**request.get("content", {}), "silent": True}}


def _failed(error: SnakepitError) -> dict[str, Any]:
    name, text = type(error).__name__, str(error)
    return {"status": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
