"""Carriers for pandas: its tables, columns and indexes fall apart into arrays (see `arrays`)."""

from snakepit_nb.errors import ValueEncodingError

from .carriers import (
    Carrier,
    Fields,
    Foreign,
    Packer,
    load_package,
    read_field,
)
from .frames import Buffers
from .table_spans import SPAN_CARRIERS, find_span_carrier

_SIMPLE_INDEXES = (
    "CategoricalIndex",
    "DatetimeIndex",
    "Index",
    "IntervalIndex",
    "PeriodIndex",
    "TimedeltaIndex",
)


def find_table_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for a type of pandas'."""
    pandas = load_package("pandas")
    arrays = pandas.arrays
    if kind.__name__ in _SIMPLE_INDEXES and issubclass(kind, pandas.Index):
        return _INDEX
    for base, carrier in (
        ((arrays.IntegerArray, arrays.FloatingArray, arrays.BooleanArray), _MASKED),
        ((arrays.StringArray, arrays.ArrowStringArray), _STRINGS),
        (arrays.ArrowExtensionArray, _ARROW),
        (pandas.Categorical, _CATEGORICAL),
        (arrays.DatetimeArray, _ZONED),
    ):
        if issubclass(kind, base):
            return carrier
    return _CARRIER_OF_NAME.get(kind.__name__) or find_span_carrier(kind)


def _values_of(column: Foreign) -> Foreign:
    """Gives the array that a column or an index holds: numpy's where it is one."""
    is_numpy = isinstance(column.dtype, load_package("numpy").dtype)
    return column.to_numpy() if is_numpy else column.array


def _read_array(values: object) -> Foreign:
    kinds = (load_package("numpy").ndarray, load_package("pandas").api.extensions.ExtensionArray)
    if isinstance(values, kinds) and values.ndim == 1:
        return values
    raise ValueEncodingError("The bytes are malformed: a column is no array.")


def _read_index(index: object) -> Foreign:
    if isinstance(index, load_package("pandas").Index):
        return index
    raise ValueEncodingError("The bytes are malformed: a table has no index.")


def _pack_frame(frame: Foreign, packer: Packer) -> dict[str, object]:
    columns = (_values_of(frame.iloc[:, number]) for number in range(frame.shape[1]))
    return {
        "arrays": packer.pack_all(columns, lambda number: f".iloc[:, {number}]"),
        **packer.pack_named({"columns": frame.columns, "index": frame.index, "attrs": frame.attrs}),
    }


def _unpack_frame(fields: Fields, _: Buffers) -> object:
    pandas = load_package("pandas")
    index = _read_index(fields.get("index"))
    columns = [_make_column(values, index) for values in read_field(fields, "arrays", list)]
    frame = pandas.DataFrame(dict(enumerate(columns)), index=index, copy=False)
    frame.columns = _read_index(fields.get("columns"))
    frame.attrs = read_field(fields, "attrs", dict)
    return frame


def _make_column(values: object, index: Foreign) -> Foreign:
    array = _read_array(values)
    return load_package("pandas").Series(array, index=index, dtype=array.dtype, copy=False)


def _pack_series(series: Foreign, packer: Packer) -> dict[str, object]:
    return packer.pack_named(
        {
            "array": _values_of(series),
            "index": series.index,
            "name": series.name,
            "attrs": series.attrs,
        }
    )


def _unpack_series(fields: Fields, _: Buffers) -> object:
    series = _make_column(fields.get("array"), _read_index(fields.get("index")))
    series.name = fields.get("name")
    series.attrs = read_field(fields, "attrs", dict)
    return series


def _pack_index(index: Foreign, packer: Packer) -> dict[str, object]:
    # The frequency of periods is their dtype's.
    freq = None if index.dtype.kind == "O" else getattr(index, "freqstr", None)
    return packer.pack_named({"array": _values_of(index), "name": index.name, "freq": freq})


def _unpack_index(fields: Fields, _: Buffers) -> object:
    array = _read_array(fields.get("array"))
    name = fields.get("name")
    index = load_package("pandas").Index(array, dtype=array.dtype, name=name, copy=False)
    if hasattr(index, "freq") and fields.get("freq") is not None:
        index.freq = read_field(fields, "freq", str)
    return index


def _pack_range(index: Foreign, packer: Packer) -> dict[str, object]:
    bounds = {"start": index.start, "stop": index.stop, "step": index.step}
    return {**bounds, **packer.pack_named({"name": index.name})}


def _unpack_range(fields: Fields, _: Buffers) -> object:
    bounds = (read_field(fields, bound, int) for bound in ("start", "stop", "step"))
    return load_package("pandas").RangeIndex(*bounds, name=fields.get("name"))


def _pack_multi_index(index: Foreign, packer: Packer) -> dict[str, object]:
    return {
        "levels": packer.pack_all(index.levels, lambda number: f".levels[{number}]"),
        "codes": packer.pack_all(map(_as_array, index.codes), lambda number: f".codes[{number}]"),
        "names": packer.pack_all(index.names, lambda number: f".names[{number}]"),
    }


def _as_array(codes: Foreign) -> Foreign:
    return load_package("numpy").asarray(codes)


def _unpack_multi_index(fields: Fields, _: Buffers) -> object:
    levels = [_read_index(level) for level in read_field(fields, "levels", list)]
    codes = [_read_array(array) for array in read_field(fields, "codes", list)]
    names = read_field(fields, "names", list)
    return load_package("pandas").MultiIndex(levels=levels, codes=codes, names=names)


def _pack_categorical(array: Foreign, packer: Packer) -> dict[str, object]:
    parts = {"codes": _as_array(array.codes), "categories": array.categories}
    return {"ordered": array.ordered, **packer.pack_named(parts)}


def _unpack_categorical(fields: Fields, _: Buffers) -> object:
    categories = _read_index(fields.get("categories"))
    codes, ordered = _read_array(fields.get("codes")), read_field(fields, "ordered", bool)
    return load_package("pandas").Categorical.from_codes(codes, categories, ordered=ordered)


def _pack_masked(array: Foreign, packer: Packer) -> dict[str, object]:
    values = array.to_numpy(dtype=array.dtype.numpy_dtype, na_value=array.dtype.type(0))
    return packer.pack_named({"values": values, "mask": array.isna()})


def _unpack_masked(fields: Fields, _: Buffers) -> object:
    arrays = load_package("pandas").arrays
    values, mask = _read_array(fields.get("values")), _read_array(fields.get("mask"))
    makers = {"b": arrays.BooleanArray, "i": arrays.IntegerArray, "u": arrays.IntegerArray}
    return makers.get(values.dtype.kind, arrays.FloatingArray)(values, mask)


def _pack_strings(array: Foreign, packer: Packer) -> dict[str, object]:
    texts = array.to_numpy(dtype=object, na_value=None).tolist()
    has_na = array.dtype.na_value is load_package("pandas").NA
    storage = array.dtype.storage
    return {"storage": storage, "has_na": has_na, **packer.pack_named({"texts": texts})}


def _unpack_strings(fields: Fields, _: Buffers) -> object:
    pandas = load_package("pandas")
    if read_field(fields, "storage", str) == "pyarrow":
        load_package("pyarrow")
    na_value = pandas.NA if read_field(fields, "has_na", bool) else float("nan")
    dtype = pandas.StringDtype(fields["storage"], na_value=na_value)
    texts = read_field(fields, "texts", list)
    if not all(text is None or type(text) is str for text in texts):
        raise ValueEncodingError("The bytes are malformed: a column of texts has other values.")
    return pandas.array(texts, dtype=dtype)


def _pack_arrow(array: Foreign, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"column": load_package("pyarrow").chunked_array([array])})


def _unpack_arrow(fields: Fields, _: Buffers) -> object:
    column = read_field(fields, "column", load_package("pyarrow").ChunkedArray)
    return load_package("pandas").arrays.ArrowExtensionArray(column)


def _pack_zoned(array: Foreign, packer: Packer) -> dict[str, object]:
    moments = array if array.tz is None else array.tz_convert(None)
    return packer.pack_named({"moments": moments.to_numpy(), "tz": array.tz})


def _unpack_zoned(fields: Fields, _: Buffers) -> object:
    moments = load_package("pandas").array(_read_array(fields.get("moments")), copy=False)
    timezone = fields.get("tz")
    return moments if timezone is None else moments.tz_localize("UTC").tz_convert(timezone)


def _pack_moment(moment: Foreign, packer: Packer) -> dict[str, object]:
    return packer.pack_named({"value": moment.asm8, "tz": getattr(moment, "tz", None)})


def _unpack_timestamp(fields: Fields, _: Buffers) -> object:
    value = read_field(fields, "value", load_package("numpy").datetime64)
    moment = load_package("pandas").Timestamp(value)
    timezone = fields.get("tz")
    return moment if timezone is None else moment.tz_localize("UTC").tz_convert(timezone)


def _unpack_pandas_timedelta(fields: Fields, _: Buffers) -> object:
    value = read_field(fields, "value", load_package("numpy").timedelta64)
    return load_package("pandas").Timedelta(value)


def _singleton(name: str) -> Carrier:
    return Carrier(
        tag=f"pandas.{name}",
        pack=lambda *_: {},
        unpack=lambda *_: getattr(load_package("pandas"), name),
    )


_INDEX = Carrier(tag="pandas.Index", pack=_pack_index, unpack=_unpack_index)
_MASKED = Carrier(tag="pandas.masked", pack=_pack_masked, unpack=_unpack_masked)
_STRINGS = Carrier(tag="pandas.strings", pack=_pack_strings, unpack=_unpack_strings)
_ARROW = Carrier(tag="pandas.arrow", pack=_pack_arrow, unpack=_unpack_arrow)
_CATEGORICAL = Carrier(tag="pandas.Categorical", pack=_pack_categorical, unpack=_unpack_categorical)
_ZONED = Carrier(tag="pandas.moments", pack=_pack_zoned, unpack=_unpack_zoned)
_CARRIER_OF_NAME = {
    "DataFrame": Carrier(tag="pandas.DataFrame", pack=_pack_frame, unpack=_unpack_frame),
    "Series": Carrier(tag="pandas.Series", pack=_pack_series, unpack=_unpack_series),
    "RangeIndex": Carrier(tag="pandas.RangeIndex", pack=_pack_range, unpack=_unpack_range),
    "MultiIndex": Carrier(
        tag="pandas.MultiIndex", pack=_pack_multi_index, unpack=_unpack_multi_index
    ),
    "Timestamp": Carrier(tag="pandas.Timestamp", pack=_pack_moment, unpack=_unpack_timestamp),
    "Timedelta": Carrier(
        tag="pandas.Timedelta", pack=_pack_moment, unpack=_unpack_pandas_timedelta
    ),
    "NaTType": _singleton("NaT"),
    "NAType": _singleton("NA"),
}
TABLE_CARRIERS = (
    _INDEX, _MASKED, _STRINGS, _ARROW, _CATEGORICAL, _ZONED, *SPAN_CARRIERS,
    *_CARRIER_OF_NAME.values(),
)  # fmt: skip
