"""Whether anybody can see a view: one that is scrolled away or closed needs no painting."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import List, Unicode

from .live_control import keep_reachable


class _Watcher(AnyWidget):
    """It is never displayed: its module looks for views of that class name on its page."""

    _esm = Path(__file__).with_name("sight.js")
    name = Unicode().tag(sync=True)
    unsaved = List(Unicode()).tag(sync=True)
    """The models that a saved notebook shall not keep."""


class Sight:
    """What the pages tell of a view whose widget has this class name."""

    def __init__(self, kernel: Any, name: str) -> None:
        self._pages: dict[str, bool] = {}
        self._watcher = _Watcher(name=name)
        self._models = [self._watcher, self._watcher.layout]
        keep_reachable(kernel, self._models)
        self._watcher.on_msg(self._hear)
        self._watcher.unsaved = [model.model_id for model in self._models]

    @property
    def is_seen(self) -> bool:
        """False where all pages say so; a front end that says nothing may see it."""
        seen = tuple(self._pages.values())
        return any(seen) or not seen

    def close(self) -> None:
        """Watches no more."""
        for model in self._models:
            model.close()

    def _hear(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        self._pages[str(content.get("page"))] = bool(content.get("seen"))
