"""Which part of a value keeps it from being pickled, as a path: `config.model.lock`."""

from collections.abc import Iterator
from itertools import islice
from types import FunctionType, MethodType
from typing import Any

import cloudpickle

from .carriers import type_name

DEEPEST = 30
MOST_PARTS = 10_000
"""Of one value; further ones are not looked at."""


def why_not_pickled(name: str, value: object, error: Exception) -> str:
    """Words why a variable cannot be pickled, which `error` says, and which part is in the way."""
    path, culprit = _culprit(name, value)
    if culprit is value:
        return str(error)
    return f"{path} is a `{type_name(type(culprit))}`, which cannot be pickled ({error})"


def _culprit(name: str, value: object) -> tuple[str, object]:
    """Follows the parts that cannot be pickled themselves, as deep as there are any."""
    seen = {id(value)}  # what refers back to it is not what is in the way
    path = name
    while len(seen) < DEEPEST:
        parts = islice(_parts(path, value), MOST_PARTS)
        unpickled = (
            (where, part)
            for where, part in parts
            if id(part) not in seen and not can_be_pickled(part)
        )
        found = next(unpickled, None)
        if found is None:
            break
        path, value = found
        seen.add(id(value))
    return path, value


def _parts(path: str, value: Any) -> Iterator[tuple[str, object]]:
    """Yields what a value consists of, each with its path."""
    match value:
        case dict():
            yield from ((f"{path}[{key!r:.60}]", item) for key, item in list(value.items()))
        case list() | tuple():
            yield from ((f"{path}[{number}]", item) for number, item in enumerate(value))
        case set() | frozenset():
            yield from ((f"an element of {path}", item) for item in list(value))
        case MethodType():
            yield f"{path}.__self__", value.__self__
        case FunctionType():
            yield from _variables_of(path, value)
        case _:
            pass
    yield from ((f"{path}.{name}", item) for name, item in _attributes(value).items())


def _variables_of(path: str, function: FunctionType) -> Iterator[tuple[str, object]]:
    """Yields the variables of others that a function uses, and its defaults."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{name} (which {path} uses)", cell.cell_contents
        except ValueError:
            continue  # it is not set yet
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f"{name} (which {path} uses)", function.__globals__[name]
    for number, default in enumerate(function.__defaults__ or ()):
        yield f"{path}.__defaults__[{number}]", default


def _attributes(value: Any) -> dict[str, object]:
    if isinstance(value, type | FunctionType | MethodType):
        return {}
    attributes = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if isinstance(name, str) and name not in attributes and hasattr(value, name):
                attributes[name] = getattr(value, name)
    return attributes


def can_be_pickled(value: object) -> bool:
    """Tries whether cloudpickle takes a value."""
    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 (users' classes raise anything when pickled)
        return False
    return True
