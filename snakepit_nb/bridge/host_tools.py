"""The functions of the notebook that workers may call, whatever pool these belong to."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from snakepit_nb.calls import ParameterSpec, ToolSpec
from snakepit_nb.errors import UsageError

from .tool_registry import LocalTool, check_metadata, checked_name

_COLLECTING = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


class HostTools:
    """Found by name. One that is exposed again takes the place of the first: its cell ran again."""

    def __init__(self) -> None:
        self._tools: dict[str, LocalTool] = {}

    def __iter__(self) -> Iterator[LocalTool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)

    def add(self, tool: LocalTool) -> None:
        """Offers a function."""
        self._tools[tool.spec.name] = tool

    def remove(self, name: str) -> bool:
        """Offers it no more; tells whether it was there."""
        return self._tools.pop(name, None) is not None

    def find(self, name: str) -> LocalTool | None:
        """Returns a function, if it is offered."""
        return self._tools.get(name)


host_tools = HostTools()


def local_tool(
    function: Callable[..., Any],
    *,
    name: str = "",
    description: str = "",
    metadata: Mapping[str, str] | None = None,
) -> LocalTool:
    """Describes a function as a tool, by its signature and docstring.

    Raises:
        UsageError: it is none, or its name or metadata cannot be a tool's.
    """
    if not callable(function):
        raise UsageError(f"expose: {function!r:.60} is no function.")
    chosen = checked_name(name or getattr(function, "__name__", ""))
    check_metadata(chosen, metadata or {})
    parameters = [
        ParameterSpec(
            name=parameter.name,
            type_name=_type_name(parameter.annotation),
            required=parameter.default is parameter.empty,
            default=None if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in _COLLECTING
    ]
    return LocalTool(
        spec=ToolSpec(
            name=chosen,
            description=description or inspect.getdoc(function) or "",
            parameters=tuple(parameters),
        ),
        function=function,
        metadata=dict(metadata or {}),
    )


def check_arguments(
    tool: LocalTool, arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> None:
    """Raises UsageError where a call does not fit the function."""
    try:
        inspect.signature(tool.function).bind(*arguments, **keywords)
    except TypeError as error:
        raise UsageError(f"host tool {tool.spec.name!r}: {error}.") from None


def _type_name(annotation: object) -> str:
    if annotation is inspect.Parameter.empty:
        return "any"
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
