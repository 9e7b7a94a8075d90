"""All panels of this kernel, and what ends them: their pool, their cell, or the kernel."""

import atexit
import functools
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.telemetry import bus

from .background_output import publisher
from .display import show_event
from .requests import request_of
from .widgets.pool_panel import Place, PoolPanel
from .widgets.pool_watch import PoolWatch

_watches: dict[Pool, PoolWatch] = {}


def open_panel(pool: Pool, shell: InteractiveShell) -> None:
    """Shows a panel in the cell that runs."""
    _attend(shell)
    watch = _watches.setdefault(pool, PoolWatch(pool, functools.partial(_watches.pop, pool, None)))
    place = Place(
        kernel=getattr(shell, "kernel", None),
        cell_id=_cell_of(shell),
        show=functools.partial(show_event, shell),
        update=publisher(shell),
    )
    watch.add(PoolPanel(pool, place, watch))


@functools.cache
def _attend(shell: InteractiveShell) -> None:
    """Ends the panels in time, from now on."""

    def end_those_of_the_cell(*_: Any) -> None:
        cell_id = _cell_of(shell)
        for panel in _panels():
            if cell_id and panel.cell_id == cell_id:
                panel.end(None)  # the cell runs again: its output is gone

    shell.events.register("pre_run_cell", end_those_of_the_cell)
    bus.on("pool.stopped", _end_those_of_stopped_pools)
    atexit.register(_end_all)


def _cell_of(shell: InteractiveShell) -> str:
    """Names the cell that runs, where the front end does."""
    cell_id: str = request_of(shell).get("metadata", {}).get("cellId", "")
    return cell_id


def _end_those_of_stopped_pools(_: object) -> None:
    for pool, watch in tuple(_watches.items()):
        if not pool.is_running:
            watch.end()


def _end_all() -> None:
    for watch in tuple(_watches.values()):
        watch.end()


def _panels() -> list[PoolPanel]:
    watches = tuple(_watches.values())
    return [panel for watch in watches for panel in watch.panels if isinstance(panel, PoolPanel)]
