"""Figures of pyplot: shown by the cell that drew them, in whichever session of a worker that ran.

matplotlib's inline backend binds itself to one shell, the first that imports it, and pyplot keeps
one list of figures for a process.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .shell import ZMQInteractiveShell

_BACKEND = "matplotlib_inline.backend_inline"
_FIGURES = "matplotlib._pylab_helpers"
_showing = threading.Lock()  # matplotlib is not made for threads


def bind_figures(shell: ZMQInteractiveShell) -> None:
    """Lets a shell show figures after its cells, as the first one does by itself."""
    backend: Any = sys.modules.get(_BACKEND)
    if backend is None or backend.flush_figures in shell.events.callbacks["post_execute"]:
        return
    if getattr(backend.configure_inline_support, "current_backend", "") == "inline":
        backend.configure_inline_support.current_backend = "unset"  # or it leaves the formats out
        backend.configure_inline_support(shell, "inline")


class OwnFigures:
    """Stands where pyplot keeps the figures of a process: gives each session a list of its own."""

    def __init__(self, own: Callable[[], dict[str, Any] | None]) -> None:
        self._own = own
        self._common: OrderedDict[int, Any] = OrderedDict()

    def install(self) -> None:
        """Separates the figures, once pyplot is there. Those of before are the caller's."""
        helpers: Any = sys.modules.get(_FIGURES)
        if helpers is None or vars(helpers.Gcf)["figs"] is self:
            return
        before, helpers.Gcf.figs = helpers.Gcf.figs, self
        helpers.Gcf.figs.update(before)

    def __get__(self, _instance: object, _: type) -> OrderedDict[int, Any]:
        own = self._own()
        figures: OrderedDict[int, Any] = (
            self._common if own is None else own.setdefault("figures", OrderedDict())
        )
        return figures

    def show(self, shell: ZMQInteractiveShell) -> None:
        """Shows what the running cell drew, before the backend would do so by a common flag."""
        backend: Any = sys.modules.get(_BACKEND)
        if backend is None:
            return
        self.install()
        with _showing:
            bind_figures(shell)
            if self.__get__(None, type(self)):
                try:
                    backend.show()
                except Exception:  # noqa: BLE001 (what was drawn is the user's)
                    shell.showtraceback()
