"""A pool as text that is the same in every run: no times, rates, amounts of memory or ids."""

from .pool_model import PoolView
from .pool_tile import Tile
from .status_view import counted


def as_text(view: PoolView) -> str:
    """Writes a line for the pool and one for each worker."""
    told = dict(view.facts)
    title = (
        f"Pool {view.name!r}: {counted(view.workers, 'worker')}, load {told['load']}, "
        f"{told['waiting']} waiting, {told['finished']} finished"
    )
    width = max((len(tile.words) for tile in view.tiles), default=0)
    return "\n".join([title, *(_line(tile, width) for tile in view.tiles)])


def _line(tile: Tile, width: int) -> str:
    runs = ", ".join(call.text for call in tile.calls)
    line = f"{tile.worker_id}  {tile.words:<{width}}  {tile.load}/{tile.capacity}"
    return f"{line}  {runs}" if runs else line
