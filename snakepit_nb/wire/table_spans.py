"""Carriers for pandas' periods and intervals, alone, in columns and in indexes."""

from .carriers import Carrier, Fields, Foreign, Packer, load_package, read_field
from .frames import Buffers


def find_span_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for a type of pandas' spans."""
    return _CARRIER_OF_NAME.get(kind.__name__)


def _pack_period(period: Foreign, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"ordinal": period.ordinal, "freq": period.freqstr})


def _unpack_period(fields: Fields, _: Buffers) -> object:
    ordinal, freq = read_field(fields, "ordinal", int), read_field(fields, "freq", str)
    return load_package("pandas").Period(ordinal=ordinal, freq=freq)


def _pack_periods(array: Foreign, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"ordinals": array.asi8, "freq": array.freqstr})


def _unpack_periods(fields: Fields, _: Buffers) -> object:
    pandas, ndarray = load_package("pandas"), load_package("numpy").ndarray
    ordinals = read_field(fields, "ordinals", ndarray)
    dtype = pandas.PeriodDtype(read_field(fields, "freq", str))
    return pandas.arrays.PeriodArray(ordinals, dtype=dtype)


def _pack_interval(interval: Foreign, packer: Packer) -> dict[str, object]:
    return _pack_bounds(interval, interval.left, interval.right, packer)


def _unpack_interval(fields: Fields, _: Buffers) -> object:
    closed = read_field(fields, "closed", str)
    return load_package("pandas").Interval(fields.get("left"), fields.get("right"), closed)


def _pack_intervals(array: Foreign, packer: Packer) -> dict[str, object]:
    return _pack_bounds(array, array.left, array.right, packer)


def _unpack_intervals(fields: Fields, _: Buffers) -> object:
    pandas, closed = load_package("pandas"), read_field(fields, "closed", str)
    left, right = fields.get("left"), fields.get("right")
    return pandas.arrays.IntervalArray.from_arrays(left, right, closed)


def _pack_bounds(value: Foreign, left: object, right: object, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"left": left, "right": right, "closed": value.closed})


_CARRIER_OF_NAME = {
    "Period": Carrier(tag="pandas.Period", pack=_pack_period, unpack=_unpack_period),
    "PeriodArray": Carrier(tag="pandas.periods", pack=_pack_periods, unpack=_unpack_periods),
    "Interval": Carrier(tag="pandas.Interval", pack=_pack_interval, unpack=_unpack_interval),
    "IntervalArray": Carrier(
        tag="pandas.intervals", pack=_pack_intervals, unpack=_unpack_intervals
    ),
}
SPAN_CARRIERS = tuple(_CARRIER_OF_NAME.values())
