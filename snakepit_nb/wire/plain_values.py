"""The form in which the original's ends write and read values: plain JSON, without Python's types.

What JSON has not takes the nearest form that the other end can read: a tuple is a list, a date its
ISO text, an array nested lists, NaN the text `"NaN"`. What has none becomes a marker (`markers`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import isfinite, isnan, prod
from pathlib import PurePath
from typing import Any
from uuid import UUID

from snakepit_nb.errors import ValueEncodingError

from .carriers import Foreign, load_package, type_name
from .json_depth import check_depth
from .markers import MarkerPolicy, marker

Plain = Any
"""What `json` reads and writes."""
Mark = Callable[[object], Plain]
"""Gives what stands for a value that JSON has not; or raises, where nothing may."""

_LONGEST_INT = 10**600  # below every limit that Python may be set to
_DEEPEST = 100
"""How many containers may stand inside each other; what stands deeper is marked."""
_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _NoFormError(Exception):
    """A value has no JSON form."""


def plain_json(value: object, policy: MarkerPolicy, note: Callable[[str], object]) -> bytes:
    """Writes any value as JSON; what has no form becomes a marker, and its type is noted."""

    def mark(unserializable: object) -> Plain:
        made = marker(unserializable, policy)
        note(str(made["__type__"]))
        return made

    return _to_json(_Writer(mark, policy.most_elements).plain(value)).encode()


def strict_plain_json(value: object) -> bytes:
    """Writes a value as JSON.

    Raises:
        ValueEncodingError: a part of it has no JSON form.
    """

    def refuse(unserializable: object) -> Plain:
        raise ValueEncodingError(
            f"A part of the value is a `{type_name(type(unserializable))}`, which has no form in "
            "JSON, and this worker takes nothing else."
        )

    return _to_json(_Writer(refuse, MarkerPolicy().most_elements).plain(value)).encode()


def read_plain_json(data: bytes, kind: str = "") -> Any:
    """Reads JSON of another end; `kind` is what its type url says of it: `float`, `tensor`.

    Raises:
        ValueEncodingError: it is none, or nested too deep.
    """
    try:
        text = str(data, "utf-8")
        check_depth(text, data)
        return _typed(json.loads(text), kind)
    except ValueEncodingError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueEncodingError(f"The bytes are no JSON: {error!s:.200}") from None


class _Writer:
    def __init__(self, mark: Mark, most_elements: int) -> None:
        self._mark = mark
        self._most_elements = most_elements
        self._around: set[int] = set()
        """The containers that the value stands in."""

    def plain(self, value: object) -> Plain:
        try:
            return self._scalar(value)
        except _NoFormError:
            pass
        if id(value) in self._around or len(self._around) >= _DEEPEST:
            return self._mark(value)
        self._around.add(id(value))
        try:
            return self._container(value)
        except _NoFormError:
            return self._mark(value)
        finally:
            self._around.discard(id(value))

    def _scalar(self, value: object) -> Plain:  # noqa: PLR0911 (one for each kind)
        match value:
            case Enum():
                return self._scalar(value.value)
            case str() | Decimal() | PurePath() | UUID():
                return _text(str(value))
            case float() if not isfinite(value):
                return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
            case float():
                return float(value)
            case None | bool():
                return value
            case int() if abs(value) < _LONGEST_INT:
                return int(value)
        raise _NoFormError

    def _container(self, value: object) -> Plain:
        match value:
            case dict():
                return self._object(value.items())
            case list():
                return self._list(value)
            case tuple() | set() | frozenset() if not hasattr(value, "_asdict"):
                return self._list(value)
            case _ if is_dataclass(value) and not isinstance(value, type):
                return self._object(
                    (field.name, getattr(value, field.name)) for field in fields(value)
                )
            case _:
                return self._converted(value)

    def _list(self, items: Iterable[object]) -> list[Plain]:
        return [self.plain(item) for item in items]

    def _object(self, items: Iterable[tuple[object, object]]) -> dict[str, Plain]:
        return {_key(self._scalar, key): self.plain(item) for key, item in items}

    def _converted(self, value: Foreign) -> Plain:
        """Asks a value itself, in the original's order; a way that fails leads to the next."""
        if isinstance(value, type) or _elements(value) > self._most_elements:
            raise _NoFormError
        for name, kinds in _WAYS:
            way = getattr(value, name, None)
            try:
                found = way() if callable(way) else None
            except Exception:  # noqa: BLE001, S112 (users' classes raise anything)
                continue
            if isinstance(found, kinds) and type(found) is not type(value):
                if _count(found, self._most_elements) > self._most_elements:
                    break
                return self.plain(found)
        raise _NoFormError


_SCALARS = (str, int, float)
_WAYS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("model_dump", (dict, list, *_SCALARS)),
    ("to_dict", (dict, list)),
    ("_asdict", (dict,)),
    ("tolist", (list, date, *_SCALARS)),
    ("isoformat", (str,)),
)


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # it has half a surrogate pair
        raise _NoFormError from None
    return value


def _key(scalar: Callable[[object], Plain], key: object) -> str:
    """Writes an object's key, as `json` does, and dates as they are written elsewhere."""
    if isinstance(key, str):
        return _text(key)
    if isinstance(key, date | time):
        return key.isoformat()
    found = scalar(key)
    return found if isinstance(found, str) else _to_json(found)


def _elements(value: Foreign) -> int:
    """Tells how many elements an array or a table has, before any of them is made."""
    try:
        return int(prod(value.shape))
    except Exception:  # noqa: BLE001 (it has none, or a user's own)
        return 0


def _count(value: object, limit: int) -> int:
    """Counts the leaves of nested lists, as far as the limit matters."""
    if not isinstance(value, list):
        return 1
    number = 0
    for item in value:
        number += _count(item, limit - number)
        if number > limit:
            break
    return number


def _typed(value: Plain, kind: str) -> Any:
    match kind, value:
        case "float" | "FloatValue" | "DoubleValue", str() if value in _FLOATS:
            return _FLOATS[value]
        case "float", int() if not isinstance(value, bool):
            return float(value)
        case "integer", float() if value.is_integer():
            return int(value)
        case "tensor", {"shape": list(shape), "data": list(data)}:
            return _tensor(shape, data)
        case _:
            return value


def _tensor(shape: list[Any], data: list[Any]) -> Any:
    if not all(type(length) is int and length >= 0 for length in shape) or prod(shape) != len(data):
        raise ValueEncodingError("The tensor's data do not have the number that its shape says.")
    if not all(type(item) in (int, float) for item in data):
        raise ValueEncodingError("The tensor's data are not all numbers.")
    return load_package("numpy").array(data).reshape(shape)
