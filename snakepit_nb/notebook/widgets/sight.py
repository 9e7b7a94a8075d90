"""Whether anybody can see a view: one that is scrolled away or closed needs no painting."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from traitlets import Unicode

from .page_model import PageModel, module, on_pages


class _Watcher(PageModel):
    """Its module looks for views of that class name."""

    _esm = module("sight.js")
    name = Unicode().tag(sync=True)


class Sight(ExitStack):
    """What the pages tell, within a `with`, of a view whose widget has this class name."""

    def __init__(self, kernel: Any, name: str) -> None:
        super().__init__()
        self._pages: dict[str, bool] = {}
        self.enter_context(on_pages(_Watcher(name=name), kernel, self._hear))

    @property
    def is_seen(self) -> bool:
        """False where all pages say so; a front end that says nothing may see it."""
        seen = tuple(self._pages.values())
        return any(seen) or not seen

    def _hear(self, content: Mapping[str, Any]) -> None:
        self._pages[str(content.get("page"))] = bool(content.get("seen"))
