"""What a debugger shows of a session's variables while nothing is stopped."""

from ipykernel.debugger import VariableExplorer
from IPython.display import JSON

_explorers: list[VariableExplorer] = []  # one at most: what it has told is asked for by number


def variables() -> JSON:
    """Tells the variables of the session that asks, in the debugger protocol's form."""
    while _explorers:
        _explorers.pop().untrack_all()
    explorer = VariableExplorer()
    explorer.track()
    _explorers.append(explorer)
    return JSON(explorer.get_children_variables())


def parts(reference: int) -> JSON:
    """Tells what one of them consists of."""
    return JSON(_explorers[-1].get_children_variables(reference) if _explorers else [])
