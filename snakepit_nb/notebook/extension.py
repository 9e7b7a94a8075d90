"""What `%load_ext snakepit_nb` and `%unload_ext snakepit_nb` do."""

from collections.abc import Callable

from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

from snakepit_nb.blocking.stream_view import viewers
from snakepit_nb.telemetry.cell_traces import cell_traces
from snakepit_nb.telemetry.correlation import requests

from .auto import auto
from .completion import install
from .local_cells import LocalCells
from .magics import SnakepitMagics
from .widgets.stream_view import open_in_notebook


def _note_begin(_: ExecutionInfo) -> None:
    cell_traces.begin("cell")


def _note_end(result: ExecutionResult) -> None:
    number = result.execution_count  # told behind the cell only, and not of those that do not count
    name = "" if number is None else f"cell [{number}]"
    cell_traces.end(result.error_before_exec or result.error_in_exec, name=name)


_NOTES: dict[str, Callable[..., None]] = {
    "pre_run_cell": _note_begin,
    "post_run_cell": _note_end,
}


_undo: list[Callable[[], None]] = []


def load(shell: InteractiveShell) -> None:
    """Registers the magics, and gives each execute request of this kernel one correlation id."""
    shell.register_magics(SnakepitMagics)
    LocalCells.unregister(shell)  # loading twice is harmless
    LocalCells(shell.user_ns).register(shell)
    auto(shell).install()
    requests.request_key = lambda: _message_id(shell)
    for moment, note in _NOTES.items():
        shell.events.register(moment, note)
    _undo.append(install(shell))
    _undo.append(_enter_views())


def unload(shell: InteractiveShell) -> None:
    """Takes the magics away. Pools run on: `%reload_ext`, which calls this, shall keep them."""
    for kind, name in (("line", "snakepit"), ("line", "snakepit_exec"), ("cell", "snakepit_exec")):
        shell.magics_manager.magics[kind].pop(name, None)
    LocalCells.unregister(shell)
    auto(shell).uninstall()
    requests.request_key = lambda: None
    while _undo:
        _undo.pop()()
    for moment, note in _NOTES.items():
        shell.events.unregister(moment, note)


def _enter_views() -> Callable[[], None]:
    """Lets streams be shown here; returns what takes that back."""
    before, viewers.open = viewers.open, open_in_notebook

    def undo() -> None:
        viewers.open = before

    return undo


def _message_id(shell: InteractiveShell) -> str | None:
    get_parent = getattr(shell, "get_parent", None)
    if get_parent is None:
        return f"cell-{shell.execution_count}"
    header = (get_parent() or {}).get("header", {})
    message_id: str | None = header.get("msg_id")
    return message_id
