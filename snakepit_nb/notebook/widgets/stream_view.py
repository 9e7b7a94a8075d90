"""Shows streams in a notebook: live, with widgets, wherever a front end may look."""

import sys
from typing import Any

from snakepit_nb.blocking.printing import is_noninteractive
from snakepit_nb.blocking.stream_view import Shown, StreamView


def open_in_notebook(shown: Shown) -> StreamView | None:
    """Opens a live view; None where no kernel runs, or all must be plain."""
    kernel = None if is_noninteractive() else _kernel()
    if kernel is None:
        return None
    from .stream_panel import StreamPanel  # noqa: PLC0415 (brings ipywidgets)

    return StreamPanel(shown, kernel)


def _kernel() -> Any | None:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # noqa: PLC0415 (loaded already, or not wanted)

    return getattr(get_ipython(), "kernel", None)
