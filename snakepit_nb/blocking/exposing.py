"""`@snakepit.expose`: functions of the notebook that workers may call."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from snakepit_nb.bridge.host_tools import host_tools, local_tool

from .opening import opened_doors
from .portal_task import wait

F = TypeVar("F", bound=Callable[..., Any])


@overload
def expose(
    function: F,
    *,
    name: str = "",
    description: str = "",
    metadata: Mapping[str, str] | None = None,
) -> F: ...
@overload
def expose(
    *, name: str = "", description: str = "", metadata: Mapping[str, str] | None = None
) -> Callable[[F], F]: ...
def expose(
    function: F | None = None,
    *,
    name: str = "",
    description: str = "",
    metadata: Mapping[str, str] | None = None,
) -> F | Callable[[F], F]:
    """Lets the workers of all pools call a function: `from snakepit_nb.worker import host`.

    A plain one runs in the cell that waits for the call, or in a thread where none waits; an async
    one on the loop that serves all pools. One that is exposed again takes the place of the first.

    Raises:
        UsageError: its name or metadata cannot be a tool's.
    """

    def offer(offered: F) -> F:
        tool = local_tool(offered, name=name, description=description, metadata=metadata)
        host_tools.add(tool)
        for doors in opened_doors():
            wait(doors.listen)
        return offered

    return offer if function is None else offer(function)
