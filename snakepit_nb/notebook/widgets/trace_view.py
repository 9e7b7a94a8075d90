"""Shows where the time of a trace went: a waterfall, as text and as static HTML."""

from snakepit_nb.observations import Trace

from .trace_html import as_html
from .trace_model import waterfall
from .trace_text import as_text


class TraceView:
    """A trace, for the notebook to display."""

    def __init__(self, trace: Trace) -> None:
        self._shown = waterfall(trace)

    def __repr__(self) -> str:
        return as_text(self._shown)

    def _repr_html_(self) -> str:
        return as_html(self._shown)
