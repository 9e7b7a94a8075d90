"""The line of a cell that runs, as the page has it."""

from traitlets import Bool, Float, List, Unicode

from .page_model import PageModel, module


class CellLine(PageModel):
    """Its module draws the line at the cell."""

    _esm = module("cell_line.js")
    cell_id = Unicode().tag(sync=True)
    words = List(Unicode()).tag(sync=True)
    seconds = Float().tag(sync=True)
    """How long the cell has run when the line appears."""
    can_cancel = Bool().tag(sync=True)
