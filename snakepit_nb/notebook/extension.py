"""What `%load_ext snakepit_nb` and `%unload_ext snakepit_nb` do."""

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.telemetry.correlation import requests

from .magics import SnakepitMagics


def load(shell: InteractiveShell) -> None:
    """Registers the magics, and gives each execute request of this kernel one correlation id."""
    shell.register_magics(SnakepitMagics)
    requests.request_key = lambda: _message_id(shell)


def unload(shell: InteractiveShell) -> None:
    """Takes the magics away. Pools run on: `%reload_ext`, which calls this, shall keep them."""
    for kind, name in (("line", "snakepit"), ("line", "snakepit_exec"), ("cell", "snakepit_exec")):
        shell.magics_manager.magics[kind].pop(name, None)
    requests.request_key = lambda: None


def _message_id(shell: InteractiveShell) -> str | None:
    get_parent = getattr(shell, "get_parent", None)
    if get_parent is None:
        return f"cell-{shell.execution_count}"
    header = (get_parent() or {}).get("header", {})
    message_id: str | None = header.get("msg_id")
    return message_id
