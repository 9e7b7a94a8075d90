"""What the parts of the codec share: a carrier for each kind of value, and the packer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar

from snakepit_nb.errors import ValueEncodingError

from .frames import Buffer, Buffers

TAG = "$py"
"""The key that makes a JSON object stand for a Python value of another kind."""
DEEPEST = 200
"""How many containers may stand inside each other."""
TOO_DEEP = f"is nested more than {DEEPEST} levels deep, or contains itself"

Foreign: TypeAlias = Any
"""A value of numpy, pandas or pyarrow, which are loaded only where such a value is met."""
Fields = Mapping[str, object]
Place = Callable[[int], str]
T = TypeVar("T")

_JSON_SCALARS = frozenset({bool, float, int, str, type(None)})
_ALWAYS_JSON = frozenset({bool, type(None)})
_SOMETIMES_JSON = _JSON_SCALARS - _ALWAYS_JSON
_NAMES = frozenset({str})
_LONGEST_JSON_INT = 2000  # bits: 600 decimal digits, below every limit that Python may be set to


class NotCarriedError(Exception):
    """A value is not carried. Its places are noted from the inside to the outside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.places: list[str] = []


class Packer:
    """Turns one value into JSON values, and collects the buffers that they refer to.

    A careful packer looks whether JSON has each number and text; else the JSON writer finds out.
    """

    __slots__ = ("_depth", "_find_carrier", "_plain", "buffers")

    def __init__(
        self, find_carrier: "Callable[[type], Carrier | None]", *, careful: bool = False
    ) -> None:
        self._find_carrier = find_carrier
        self._plain = _ALWAYS_JSON if careful else _JSON_SCALARS
        self._depth = 0
        self.buffers: list[Buffer] = []

    def pack(self, value: object) -> object:
        """Gives the JSON for a value; raises NotCarriedError."""
        kind = type(value)
        if kind in self._plain or (kind in _SOMETIMES_JSON and _is_json(value)):
            return value
        if isinstance(value, list) and kind is list:
            return value if self._are_plain(value) else self.pack_all(value, place_in_list)
        if isinstance(value, dict) and kind is dict and self._are_json_keys(value):
            return self._pack_object(value)
        carrier = self._find_carrier(kind)
        if carrier is None:
            raise NotCarriedError(f"is a `{type_name(kind)}`, a type that is not carried")
        return {TAG: carrier.tag, **carrier.pack(value, self)}

    def pack_all(self, values: Iterable[object], place: Place) -> list[object]:
        """Packs what stands inside a value; `place` names the nth of it in an error."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotCarriedError(TOO_DEEP)
        packed: list[object] = []
        try:
            for value in values:
                packed.append(self.pack(value))  # noqa: PERF401
        except NotCarriedError as refusal:
            refusal.places.append(place(len(packed)))
            raise
        self._depth -= 1
        return packed

    def pack_named(self, fields: Fields) -> dict[str, object]:
        """Packs the attributes of a value."""
        names = list(fields)
        packed = self.pack_all(fields.values(), lambda number: f".{names[number]}")
        return dict(zip(names, packed, strict=True))

    def add_buffer(self, buffer: Buffer) -> int:
        """Takes up bytes that travel beside the JSON; gives the number to refer to them by."""
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _are_plain(self, values: Iterable[object]) -> bool:
        return self._plain.issuperset(map(type, values))

    def _pack_object(self, value: dict[object, object]) -> object:
        if self._are_plain(value.values()):
            return value
        packed = self.pack_all(value.values(), lambda number: f"[{list(value)[number]!r:.60}]")
        return dict(zip(value, packed, strict=True))

    def _are_json_keys(self, keys: dict[object, object]) -> bool:
        if TAG in keys or not _NAMES.issuperset(map(type, keys)):
            return False
        return str in self._plain or all(map(_is_json, keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """How one kind of value is written and read. Reading takes every field to be hostile."""

    tag: str
    pack: Callable[[Foreign, Packer], dict[str, object]]
    unpack: Callable[[Fields, Buffers], object]


def read_field(fields: Fields, name: str, kind: type[T]) -> T:
    """Gives a field of a tagged object, which must be exactly of that type."""
    value = fields.get(name)
    if type(value) is not kind:
        raise ValueEncodingError(
            f"The bytes are malformed: `{fields.get(TAG)!s:.60}` has no {kind.__name__} {name!r}."
        )
    return value


def load_package(name: Literal["numpy", "pandas", "pyarrow", "PIL.Image"]) -> ModuleType:
    """Imports the package that a value needs.

    Raises:
        ValueEncodingError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = "pillow" if name == "PIL.Image" else name
        raise ValueEncodingError(
            f"The value needs the package {package}, which is not installed here: "
            f"pip install {package}"
        ) from error


def type_name(kind: type) -> str:
    """Writes a type as `module.QualName`."""
    return f"{kind.__module__}.{kind.__qualname__}"


def place_in_list(number: int) -> str:
    """Names an item by its number."""
    return f"[{number}]"


def _is_json(value: object) -> bool:
    match value:
        case float():
            return value - value == 0  # neither NaN nor infinite
        case int():
            return value.bit_length() <= _LONGEST_JSON_INT
        case str():
            return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
        case _:
            return False
