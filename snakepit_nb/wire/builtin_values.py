"""Carriers for what Python itself has and JSON has not: bytes, tuples, dates, paths and so on."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

from .carriers import Carrier, Fields, NotCarriedError, Packer, place_in_list, read_field
from .frames import Buffers

_FACTORIES: dict[str, Callable[[], object]] = {
    kind.__name__: kind for kind in (bool, dict, float, int, list, set, str, tuple)
}


def _pack_bytes(value: bytes | bytearray, packer: Packer) -> dict[str, object]:
    return {"buffer": packer.add_buffer(value)}


def _unpack_bytes(fields: Fields, buffers: Buffers) -> bytes:
    return buffers.take_bytes(fields.get("buffer"))


def _unpack_bytearray(fields: Fields, buffers: Buffers) -> bytearray:
    number = fields.get("buffer")
    value = bytearray(buffers.size(number))
    buffers.take_into(number, memoryview(value))
    return value


def _pack_surrogates(value: str, packer: Packer) -> dict[str, object]:
    return {"buffer": packer.add_buffer(value.encode("utf-8", "surrogatepass"))}


def _unpack_surrogates(fields: Fields, buffers: Buffers) -> str:
    return str(_unpack_bytes(fields, buffers), "utf-8", "surrogatepass")


def _items_carrier(kind: type[tuple[object, ...] | set[object] | frozenset[object]]) -> Carrier:
    return Carrier(
        tag=kind.__name__,
        pack=lambda value, packer: {"items": packer.pack_all(value, place_in_list)},
        unpack=lambda fields, _: kind(read_field(fields, "items", list)),
    )


def _pack_mapping(value: dict[object, object], packer: Packer) -> dict[str, object]:
    return {
        "keys": packer.pack_all(value, lambda number: f".keys()[{number}]"),
        "values": packer.pack_all(value.values(), lambda number: f".values()[{number}]"),
    }


def _unpack_mapping(fields: Fields, _: Buffers) -> dict[object, object]:
    keys, values = read_field(fields, "keys", list), read_field(fields, "values", list)
    return dict(zip(keys, values, strict=True))


def _mapping_carrier(kind: Callable[[dict[object, object]], object], tag: str) -> Carrier:
    return Carrier(
        tag=tag,
        pack=_pack_mapping,
        unpack=lambda fields, buffers: kind(_unpack_mapping(fields, buffers)),
    )


def _pack_defaultdict(value: defaultdict[object, object], packer: Packer) -> dict[str, object]:
    factory = value.default_factory
    if factory is not None and factory not in _FACTORIES.values():
        raise NotCarriedError(
            "has a default_factory other than a builtin type: make it a dict first"
        )
    return {"factory": getattr(factory, "__name__", None), **_pack_mapping(value, packer)}


def _unpack_defaultdict(fields: Fields, buffers: Buffers) -> defaultdict[object, object]:
    name = fields.get("factory")
    factory = None if name is None else _FACTORIES[read_field(fields, "factory", str)]
    return defaultdict(factory, _unpack_mapping(fields, buffers))


def _text_carrier(tag: str, build: Callable[[str], object]) -> Carrier:
    return Carrier(
        tag=tag,
        pack=lambda value, _: {"text": str(value)},
        unpack=lambda fields, _: build(read_field(fields, "text", str)),
    )


def _pack_complex(value: complex, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"real": value.real, "imag": value.imag})


def _unpack_complex(fields: Fields, _: Buffers) -> complex:
    return complex(read_field(fields, "real", float), read_field(fields, "imag", float))


def _pack_datetime(value: datetime | time, packer: Packer) -> dict[str, object]:
    text = value.replace(tzinfo=None).isoformat()
    return {"text": text, "fold": value.fold, **packer.pack_named({"tzinfo": value.tzinfo})}


def _datetime_carrier(kind: type[datetime | time]) -> Carrier:
    def unpack(fields: Fields, _: Buffers) -> object:
        value = kind.fromisoformat(read_field(fields, "text", str))
        return value.replace(
            tzinfo=fields.get("tzinfo"),  # type: ignore[arg-type]  # it checks for itself
            fold=read_field(fields, "fold", int),
        )

    return Carrier(tag=kind.__name__, pack=_pack_datetime, unpack=unpack)


def _pack_timedelta(value: timedelta, _: Packer) -> dict[str, object]:
    return {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}


def _unpack_timedelta(fields: Fields, _: Buffers) -> timedelta:
    parts = {name: read_field(fields, name, int) for name in ("days", "seconds", "microseconds")}
    return timedelta(**parts)


def _pack_timezone(value: timezone, packer: Packer) -> dict[str, object]:
    offset, name = value.utcoffset(None), value.tzname(None)
    is_named = name != timezone(offset).tzname(None)
    return packer.pack_named({"offset": offset, "name": name if is_named else None})


def _unpack_timezone(fields: Fields, _: Buffers) -> timezone:
    offset = read_field(fields, "offset", timedelta)
    if fields.get("name") is None:
        return timezone(offset)
    return timezone(offset, read_field(fields, "name", str))


def _pack_zone(value: ZoneInfo, _: Packer) -> dict[str, object]:
    if value.key is None:
        raise NotCarriedError("is a time zone without a name, which is not carried")
    return {"text": value.key}


def _path_carrier(kind: type[PurePath]) -> Carrier:
    def pack(value: PurePath, packer: Packer) -> dict[str, object]:
        if (
            kind(str(value)) != value
        ):  # Python reads some odd Windows paths otherwise than it writes
            raise NotCarriedError(f"is a path that `{kind.__name__}` reads back as another one")
        return packer.pack_named({"text": str(value)})

    def unpack(fields: Fields, _: Buffers) -> PurePath:
        return kind(read_field(fields, "text", str))

    return Carrier(tag=kind.__name__, pack=pack, unpack=unpack)


def _int_from_hex(text: str) -> int:
    return int(text, 16)  # linear in its length, where decimal digits take quadratic time


CARRIER_OF_TYPE: dict[type, Carrier] = {
    # These four are met only where JSON has not the value.
    int: Carrier(
        tag="int",
        pack=lambda value, _: {"text": hex(value)},
        unpack=lambda fields, _: _int_from_hex(read_field(fields, "text", str)),
    ),
    float: _text_carrier("float", float),
    str: Carrier(tag="str", pack=_pack_surrogates, unpack=_unpack_surrogates),
    dict: _mapping_carrier(dict, "dict"),
    OrderedDict: _mapping_carrier(OrderedDict, "OrderedDict"),
    Counter: _mapping_carrier(Counter, "Counter"),
    defaultdict: Carrier(tag="defaultdict", pack=_pack_defaultdict, unpack=_unpack_defaultdict),
    bytes: Carrier(tag="bytes", pack=_pack_bytes, unpack=_unpack_bytes),
    bytearray: Carrier(tag="bytearray", pack=_pack_bytes, unpack=_unpack_bytearray),
    tuple: _items_carrier(tuple),
    set: _items_carrier(set),
    frozenset: _items_carrier(frozenset),
    complex: Carrier(tag="complex", pack=_pack_complex, unpack=_unpack_complex),
    Decimal: _text_carrier("Decimal", Decimal),
    UUID: _text_carrier("UUID", UUID),
    date: _text_carrier("date", date.fromisoformat),
    datetime: _datetime_carrier(datetime),
    time: _datetime_carrier(time),
    timedelta: Carrier(tag="timedelta", pack=_pack_timedelta, unpack=_unpack_timedelta),
    timezone: Carrier(tag="timezone", pack=_pack_timezone, unpack=_unpack_timezone),
    ZoneInfo: Carrier(
        tag="ZoneInfo",
        pack=_pack_zone,
        unpack=lambda fields, _: ZoneInfo(read_field(fields, "text", str)),
    ),
    **{
        kind: _path_carrier(kind)
        for kind in (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)
    },
}
