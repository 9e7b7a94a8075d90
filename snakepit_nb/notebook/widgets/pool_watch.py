"""Looks at a pool for all its panels together, once a second, while somebody looks at one."""

import threading
from collections.abc import Callable
from typing import Protocol

from snakepit_nb.blocking.handle import Pool
from snakepit_nb.pool.memory import with_memory

from .pool_model import PoolView, pool_view

SECONDS_BETWEEN_LOOKS = 1.0


class Panel(Protocol):
    """What shows a pool."""

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody sees it."""

    def show(self, view: PoolView) -> None:
        """Shows the pool as it is now."""

    def end(self, view: PoolView | None) -> None:
        """Leaves the last look at the pool behind, if there is one to leave."""


class PoolWatch:
    """One for each pool that has panels."""

    def __init__(self, pool: Pool, at_end: Callable[[], object]) -> None:
        self._pool = pool
        self._at_end = at_end
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._panels: tuple[Panel, ...] = ()
        self._thread: threading.Thread | None = None

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The panels, oldest first."""
        return self._panels

    def look(self) -> PoolView:
        """Looks at the pool now."""
        snapshot = self._pool.status()
        is_running = self._pool.is_running
        return pool_view(with_memory(snapshot) if is_running else snapshot, is_running=is_running)

    def add(self, panel: Panel) -> None:
        """Enters a panel."""
        with self._lock:
            self._panels = (*self._panels, panel)

    def discard(self, panel: Panel) -> None:
        """Strikes out a panel."""
        with self._lock:
            self._panels = tuple(each for each in self._panels if each is not panel)
        if not self._panels:
            self._at_end()

    def stir(self) -> None:
        """Looks at once, if somebody looks at a panel."""
        self._stirred.set()
        with self._lock:
            if self._thread is None and self._looked_at():
                self._thread = threading.Thread(
                    target=self._keep_looking, name="snakepit panels", daemon=True
                )
                self._thread.start()

    def end(self) -> None:
        """Lets static pictures of a pool that has ended, or will, take the place of all panels."""
        if self._panels:
            view = pool_view(self._pool.last_status, is_running=False)
            for panel in self._panels:
                panel.end(view)

    def _looked_at(self) -> list[Panel]:
        return [panel for panel in self._panels if panel.is_looked_at]

    def _keep_looking(self) -> None:
        while True:
            self._stirred.clear()
            with self._lock:
                panels = self._looked_at()
                if not panels:
                    self._thread = None
                    return
            view = self.look()
            for panel in panels:
                panel.show(view)
            self._stirred.wait(SECONDS_BETWEEN_LOOKS)
