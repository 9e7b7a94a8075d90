"""The names of a session's variables, for the day its worker is lost."""

from collections.abc import Mapping
from typing import Any

MOST_NAMES = 100


def user_names(namespace: Mapping[Any, object], hidden: Mapping[str, object]) -> tuple[str, ...]:
    """Returns the first names that the user made, sorted: what is in `hidden` others have put in.

    A namespace may have keys that are no names, and threads that change it meanwhile. IPython adds
    names with an underscore for each cell, so those are sorted out first, and fast.
    """
    names = [name for name in list(namespace) if type(name) is str and name[:1] != "_"]
    made = [
        name
        for name in names
        if name.isidentifier() and hidden.get(name, hidden) is not namespace.get(name, hidden)
    ]
    return tuple(sorted(made)[:MOST_NAMES])
