"""`snakepit.dashboard()` and `%snakepit dashboard`: a pool to look at."""

from typing import Any

from IPython import get_ipython

from snakepit_nb.blocking import face
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.blocking.printing import is_noninteractive

from .widgets.pool_model import pool_view
from .widgets.pool_text import as_text


def dashboard(pool: str | Pool | None = None) -> "Dashboard":
    """Returns what a notebook shows as a live panel of a pool: the named one, or the one in use.

    Without a notebook, or where all shall be plain, it is text.

    Raises:
        PoolNotFoundError: there is none.
    """
    return Dashboard(pool if isinstance(pool, Pool) else face.pool(pool))


class Dashboard:
    """A pool, for the notebook to display."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __repr__(self) -> str:
        return as_text(pool_view(self._pool.status(), is_running=self._pool.is_running))

    def _ipython_display_(self) -> None:
        """Shows the panel.

        Raises:
            NotImplementedError: the text is shown instead.
        """
        shell: Any = get_ipython()
        if is_noninteractive() or getattr(shell, "kernel", None) is None:
            raise NotImplementedError
        if not self._pool.is_running:
            raise NotImplementedError
        from .panels import open_panel  # noqa: PLC0415 (brings ipywidgets)

        open_panel(self._pool, shell)
