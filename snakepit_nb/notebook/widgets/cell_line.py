"""The line of a cell that runs, as the page has it."""

from pathlib import Path

from anywidget import AnyWidget
from traitlets import Float, List, Unicode


class CellLine(AnyWidget):
    """It is never displayed: its module draws the line at the cell as soon as the model exists."""

    _esm = Path(__file__).with_name("cell_status.js")
    cell_id = Unicode().tag(sync=True)
    words = List(Unicode()).tag(sync=True)
    seconds = Float().tag(sync=True)
    """How long the cell has run when the line appears."""
    unsaved = List(Unicode()).tag(sync=True)
    """The models that a saved notebook shall not keep."""
