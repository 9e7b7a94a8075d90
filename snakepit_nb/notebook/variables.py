"""Variables of the notebook that a line names."""

from collections.abc import Collection, Mapping
from typing import Any

from snakepit_nb.errors import UsageError, nearest


def chosen_variables(
    option: str, names: tuple[str, ...], namespace: Mapping[str, Any], hidden: Collection[str] = ()
) -> dict[str, object]:
    """Returns variables by name.

    Raises:
        UsageError: there is none of a name; the message names the nearest that are not `hidden`.
    """
    for name in names:
        if name not in namespace:
            known = [
                known for known in namespace if known not in hidden and not known.startswith("_")
            ]
            raise UsageError(
                f"{option} {name}: the notebook has no variable of this name: "
                + nearest(name, known)
            )
    return {name: namespace[name] for name in names}
