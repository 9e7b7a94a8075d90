"""`@tool`, what annotations say of its parameters, and the check of a call against them."""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import (
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from snakepit_nb.calls import ParameterSpec, ToolSpec
from snakepit_nb.errors import UsageError, nearest

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__snakepit_tool__"


class _Mark(NamedTuple):
    name: str
    description: str
    idempotent: bool


@overload
def tool(function: F) -> F: ...
@overload
def tool(
    *, name: str = "", description: str = "", idempotent: bool = False
) -> Callable[[F], F]: ...
def tool(
    function: F | None = None, *, name: str = "", description: str = "", idempotent: bool = False
) -> F | Callable[[F], F]:
    """Marks a method as a tool. A generator, sync or async, streams what it yields.

    The method's name, docstring and annotations become the tool's name, description and
    parameters; `name` and `description` override. A call of an `idempotent` tool may run twice: it
    is run again where its worker is lost.
    """

    def mark(method: F) -> F:
        setattr(method, _MARK, _Mark(name, description, idempotent))
        return method

    return mark if function is None else mark(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundTool:
    """One tool of one adapter instance, ready to be called."""

    spec: ToolSpec
    method: Callable[..., Any]
    annotations: Mapping[str, Any]
    awaits: bool
    """Whether it is a coroutine function or an async generator, perhaps under decorators."""
    parameters: Mapping[str, ParameterSpec]
    """Those of the spec, by name."""

    def check(self, arguments: Mapping[str, object]) -> None:
        """Checks a call's arguments against the tool's signature and annotations.

        Raises:
            UsageError: one is missing, unknown or of another type; the message names it.
        """
        known = self.parameters
        for name in arguments:
            if name not in known and not self._takes_anything():
                raise UsageError(
                    f"tool {self.spec.name!r} has no parameter {name!r}: {nearest(name, known)}"
                )
        for name, parameter in known.items():
            if name not in arguments:
                if parameter.required:
                    raise UsageError(
                        f"tool {self.spec.name!r} needs the parameter {name!r} "
                        f"({parameter.type_name})."
                    )
            elif not _fits(arguments[name], self.annotations.get(name, Any)):
                raise UsageError(
                    f"tool {self.spec.name!r}, parameter {name!r}: "
                    f"{_shown(arguments[name])} is not {parameter.type_name}."
                )

    def _takes_anything(self) -> bool:
        parameters = inspect.signature(self.method).parameters.values()
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def bind_tools(adapter: object) -> dict[str, BoundTool]:
    """Finds the tools of an adapter instance, by name."""
    found: dict[str, BoundTool] = {}
    for attribute in dir(type(adapter)):
        mark = getattr(inspect.getattr_static(type(adapter), attribute), _MARK, None)
        if mark is not None:
            bound = _bind(getattr(adapter, attribute), mark._replace(name=mark.name or attribute))
            found[bound.spec.name] = bound
    return found


def _bind(method: Callable[..., Any], mark: _Mark) -> BoundTool:
    annotations = get_type_hints(method)
    parameters = tuple(
        ParameterSpec(
            name=parameter.name,
            type_name=_type_name(annotations.get(parameter.name, Any)),
            required=parameter.default is parameter.empty,
            default=None if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    )
    spec = ToolSpec(
        name=mark.name,
        description=mark.description or inspect.getdoc(method) or "",
        parameters=parameters,
        supports_streaming=inspect.isgeneratorfunction(method)
        or inspect.isasyncgenfunction(method),
        is_idempotent=mark.idempotent,
    )
    innermost = inspect.unwrap(method)
    return BoundTool(
        spec=spec,
        method=method,
        annotations=annotations,
        parameters={parameter.name: parameter for parameter in parameters},
        awaits=inspect.iscoroutinefunction(innermost) or inspect.isasyncgenfunction(innermost),
    )


def _type_name(annotation: object) -> str:
    if annotation is Any:
        return "any"
    if annotation is type(None):
        return "None"
    if get_origin(annotation) in (Union, types.UnionType):
        return " | ".join(_type_name(part) for part in get_args(annotation))
    if get_origin(annotation) is not None:
        return str(annotation).removeprefix("typing.")
    return getattr(annotation, "__name__", str(annotation))


def _fits(value: object, annotation: object) -> bool:
    """Tells whether a value is of an annotation's type, as far as one can see at its surface."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(annotation))
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in get_args(annotation))
    expected = annotation if origin is None else origin
    return not isinstance(expected, type) or _is_a(value, expected)


def _is_a(value: object, expected: type) -> bool:
    """As isinstance, but a bool is no number, and numbers fit where wider ones are expected."""
    if isinstance(value, bool):
        return expected in (bool, object, Any)
    if expected is float:
        return isinstance(value, int | float)
    if expected is complex:
        return isinstance(value, int | float | complex)
    try:
        return isinstance(value, expected)
    except TypeError:
        return True  # `Any`, a TypedDict, a plain Protocol: types that nothing can be checked for


def _shown(value: object) -> str:
    """Names a value's type only: values may be secret, and long."""
    return f"a value of type {type(value).__name__}"
