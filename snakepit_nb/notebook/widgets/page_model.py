"""Models that act on a page and are never displayed: they are no output, and nobody saves them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import List, Unicode

from .live_control import keep_reachable

_HERE = Path(__file__).parent


def module(name: str) -> str:
    """Returns the module of such a model, which calls `forget(model)` as often as it looks."""
    return "".join((_HERE / part).read_text() for part in ("page_model.js", name))


class PageModel(AnyWidget):
    """One of them. Its module begins as soon as the model exists, and cleans up when it ends."""

    unsaved = List(Unicode()).tag(sync=True)
    """The models that a saved notebook shall not keep."""


@contextmanager
def on_pages(
    model: PageModel, kernel: Any, hear: Callable[[Mapping[str, Any]], None]
) -> Iterator[bool]:
    """Lets `hear` have what the pages say, in another thread, while the `with` lasts.

    It tells whether that may arrive while a cell runs.
    """
    models = [model, model.layout]
    try:
        is_reachable = keep_reachable(kernel, models)
        model.on_msg(lambda _widget, content, _buffers: hear(content))
        model.unsaved = [each.model_id for each in models]
        yield is_reachable
    finally:
        for each in models:
            each.close()
