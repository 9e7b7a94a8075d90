"""Widgets that the front end can reach while a cell blocks the kernel's main thread."""

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from .comm_routing import let_comms_choose

SECONDS_FOR_A_SUBSHELL = 5.0


def keep_reachable(kernel: Any, widgets: Iterable[Any]) -> bool:
    """Lets events of these widgets run in a thread of their own. Tells whether they may arrive.

    From ipykernel 7 on each goes to the subshell that the widget names: ours, which runs no cells.
    Before 7 they wait until the cell has ended, and the kernel's interrupt is the only way in.
    """
    subshell_id = private_subshell(kernel)
    if subshell_id is None:
        return False
    let_comms_choose(kernel)
    for widget in widgets:
        widget.comm._reply_subshell_for = lambda _data, _default: subshell_id  # noqa: SLF001 (no public way)
    return True


def private_subshell(kernel: Any) -> str | None:
    """Returns the thread of the kernel that runs no cells, not for that thread itself."""
    shell_channel = getattr(kernel, "shell_channel_thread", None)
    if shell_channel is None or not hasattr(shell_channel.manager, "_create_subshell"):
        return None
    return _private_subshell(shell_channel)


@functools.cache
def _private_subshell(shell_channel: Any) -> str:
    """Starts the one subshell that serves our widgets for as long as the kernel lives."""
    started: Future[str] = Future()
    create = shell_channel.manager._create_subshell  # noqa: SLF001 (no public way)
    shell_channel.io_loop.add_callback(_fulfil, started, create)  # it may run in that thread only
    return started.result(SECONDS_FOR_A_SUBSHELL)


def _fulfil(future: Future[str], make: Callable[[], str]) -> None:
    try:
        future.set_result(make())
    except Exception as error:  # noqa: BLE001 (it travels to whoever waits)
        future.set_exception(error)
