"""Carriers for instances of the user's classes: enums, named tuples, dataclasses, pydantic models.

Only their fields travel. The receiver builds an instance only if it has imported the class already,
and without running its `__init__`, its `__post_init__` or its validators.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable
from enum import Enum, Flag
from types import ModuleType
from typing import cast

from snakepit_nb.errors import ValueEncodingError

from .carriers import (
    Carrier,
    Fields,
    Foreign,
    NotCarriedError,
    Packer,
    place_in_list,
    read_field,
    type_name,
)
from .frames import Buffers

_HEAP_TYPE = 1 << 9  # the flag of classes that were made by a class statement, not in C
_MISSING = object()


def find_class_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for instances of a user's class, if it is of a kind that is carried."""
    if _is_enum(kind):
        return _ENUM
    if _is_model(kind):
        return _MODEL
    if _is_dataclass(kind):
        return _DATACLASS
    if _is_namedtuple(kind):
        return _NAMEDTUPLE
    return None


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # where it is not loaded, no class is a model
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _is_dataclass(kind: type) -> bool:
    has_only_fields = all(base is object or base.__flags__ & _HEAP_TYPE for base in kind.__mro__)
    return dataclasses.is_dataclass(kind) and has_only_fields


def _is_namedtuple(kind: type) -> bool:
    names = getattr(kind, "_fields", None)
    return issubclass(kind, tuple) and type(names) is tuple


def _name_of_class(kind: type) -> str:
    if not all(part.isidentifier() for part in kind.__qualname__.split(".")):
        raise NotCarriedError(
            f"is a `{type_name(kind)}`, which is not carried:"
            " its class does not stand in a module under its name"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _find_class(fields: Fields, is_of_kind: Callable[[type], bool], kind_name: str) -> type:
    """Looks in the dictionaries of modules and classes only, so that no code of theirs runs."""
    module_name, _, qualname = read_field(fields, "class", str).partition(":")
    found: object = sys.modules.get(module_name)
    if isinstance(found, ModuleType):
        for part in qualname.split("."):
            found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
    if not isinstance(found, type):
        raise ValueEncodingError(
            f"The value has the type `{module_name}.{qualname}`, which is not known here:"
            f" import it first (from {module_name} import {qualname.partition('.')[0]})."
        )
    if not is_of_kind(found):
        raise ValueEncodingError(f"`{module_name}.{qualname}` is not a {kind_name} here.")
    return found


def _pack_enum(value: Enum, _: Packer) -> dict[str, object]:
    kind = type(value)
    name = value._name_  # None for flags that have no name
    if kind.__members__.get(name) is value:
        return {"class": _name_of_class(kind), "name": name}
    return {"class": _name_of_class(kind), "flags": value._value_}


def _unpack_enum(fields: Fields, _: Buffers) -> Enum:
    kind = cast("type[Enum]", _find_class(fields, _is_enum, "enum"))
    if "flags" in fields and issubclass(kind, Flag):
        return kind(read_field(fields, "flags", int))
    name = read_field(fields, "name", str)
    if name not in kind.__members__:
        raise ValueEncodingError(f"`{type_name(kind)}` has no member {name!r:.60} here.")
    return kind.__members__[name]


def _pack_namedtuple(value: tuple[object, ...], packer: Packer) -> dict[str, object]:
    if getattr(value, "__dict__", None):
        raise NotCarriedError(f"is a `{type_name(type(value))}` with attributes besides its fields")
    return {"class": _name_of_class(type(value)), "items": packer.pack_all(value, place_in_list)}


def _unpack_namedtuple(fields: Fields, _: Buffers) -> tuple[object, ...]:
    kind: Foreign = _find_class(fields, _is_namedtuple, "named tuple")
    items = read_field(fields, "items", list)
    if len(items) != len(kind._fields):
        raise ValueEncodingError(f"`{type_name(kind)}` does not have {len(items)} fields here.")
    return cast("tuple[object, ...]", tuple.__new__(kind, items))


def _pack_dataclass(value: Foreign, packer: Packer) -> dict[str, object]:
    values = (
        (field.name, getattr(value, field.name, _MISSING)) for field in dataclasses.fields(value)
    )
    fields = {name: item for name, item in values if item is not _MISSING}
    return {"class": _name_of_class(type(value)), "fields": packer.pack_named(fields)}


def _unpack_dataclass(fields: Fields, _: Buffers) -> object:
    kind: Foreign = _find_class(fields, _is_dataclass, "dataclass")
    values = _read_fields(
        fields, "fields", kind, (field.name for field in dataclasses.fields(kind))
    )
    instance = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(instance, name, value)  # past `frozen` and a class's own __setattr__
    return cast("object", instance)


def _pack_model(value: Foreign, packer: Packer) -> dict[str, object]:
    kind = type(value)
    fields = {name: item for name, item in vars(value).items() if name in kind.model_fields}
    return {
        "class": _name_of_class(kind),
        "set": sorted(value.model_fields_set),
        "fields": packer.pack_named(fields),
        "private": packer.pack_named(_set_private_attributes(value)),
        **packer.pack_named({"extra": value.__pydantic_extra__ or {}}),
    }


def _unpack_model(fields: Fields, _: Buffers) -> object:
    kind: Foreign = _find_class(fields, _is_model, "pydantic model")
    may_have_extra = kind.model_config.get("extra") == "allow"
    extra = read_field(fields, "extra", dict)
    if extra and not may_have_extra:
        raise ValueEncodingError(f"`{type_name(kind)}` takes no extra fields here.")
    values = _read_fields(fields, "fields", kind, kind.model_fields)
    private = _read_fields(fields, "private", kind, kind.__private_attributes__)
    instance = object.__new__(kind)
    state = {
        "__dict__": values,
        "__pydantic_fields_set__": {*read_field(fields, "set", list)} & {*values, *extra},
        "__pydantic_extra__": extra if may_have_extra else None,
        "__pydantic_private__": private if kind.__private_attributes__ else None,
    }
    sys.modules["pydantic"].BaseModel.__setstate__(instance, state)
    return cast("object", instance)


def _set_private_attributes(value: Foreign) -> dict[str, object]:
    undefined = sys.modules["pydantic_core"].PydanticUndefined
    private = value.__pydantic_private__ or {}
    return {name: item for name, item in private.items() if item is not undefined}


def _read_fields(
    fields: Fields, part: str, kind: type, allowed: Iterable[str]
) -> dict[str, object]:
    values = read_field(fields, part, dict)
    unknown = values.keys() - set(allowed)
    if unknown:
        raise ValueEncodingError(
            f"`{type_name(kind)}` has no field {min(map(repr, unknown)):.60} here."
        )
    return values


_ENUM = Carrier(tag="enum", pack=_pack_enum, unpack=_unpack_enum)
_NAMEDTUPLE = Carrier(tag="namedtuple", pack=_pack_namedtuple, unpack=_unpack_namedtuple)
_DATACLASS = Carrier(tag="dataclass", pack=_pack_dataclass, unpack=_unpack_dataclass)
_MODEL = Carrier(tag="pydantic", pack=_pack_model, unpack=_unpack_model)
CLASS_CARRIERS = (_ENUM, _NAMEDTUPLE, _DATACLASS, _MODEL)
