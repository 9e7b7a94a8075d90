"""pandas' and Arrow's tables come back equal, with their exact types."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.frames import join_frame
from snakepit_nb.wire.values import decode_value, encode_value

COLUMNS: dict[str, Any] = {
    "int": [1, 2],
    "float": [1.5, None],
    "bool": [True, False],
    "text": ["a", None],
    "object": pd.Series([1, ("x", [2])], dtype=object),
    "texts as objects": pd.Series(["a", "b"], dtype=object),
    "category": pd.Categorical(["u", None], categories=["v", "u"], ordered=True),
    "numbers as category": pd.Categorical([3, 1]),
    "Int64": pd.array([1, None], dtype="Int64"),
    "UInt8": pd.array([1, None], dtype="UInt8"),
    "Float32": pd.array([1.5, None], dtype="Float32"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "string": pd.array(["a", None], dtype="string"),
    "python string": pd.array(["a", None], dtype=pd.StringDtype("python")),
    "moments": pd.to_datetime(["2020-01-01", None]),
    "zoned": pd.date_range("2020-10-25", periods=2, freq="h", tz="Europe/Berlin"),
    "seconds": pd.Series(np.array([1, 2], "M8[s]")).dt.tz_localize("UTC"),
    "durations": pd.to_timedelta([1, None], unit="s"),
    "periods": pd.period_range("2020-01", periods=2, freq="M"),
    "intervals": pd.arrays.IntervalArray.from_breaks([0.5, 1, 2], closed="left"),
    "cut": pd.cut([1, 7], [0, 5, 10]),
    "arrow": pd.array([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
}
INDEXES: list[Any] = [
    pd.RangeIndex(3, 30, 4, name="r"),
    pd.Index([1, 2]),
    pd.Index(["a", "b"], name=("x", 1)),
    pd.Index(["a", 1], dtype=object),
    pd.Index(pd.array([1, None], dtype="Int64")),
    pd.CategoricalIndex(["a", "b"], ordered=True),
    pd.date_range("2020", periods=3, freq="D", tz="UTC", name="day"),
    pd.DatetimeIndex(["2020-01-01", "2021-01-01"]),
    pd.timedelta_range("1s", periods=3, freq="s"),
    pd.period_range("2020", periods=3, freq="Q", name="quarter"),
    pd.interval_range(pd.Timestamp("2020"), periods=2, closed="both"),
    pd.MultiIndex.from_product([range(3), ["a", None]], names=["n", None]),
]
ARROW: list[Any] = [
    pa.table({"a": [1, None], "b": ["x", "y"]}),
    pa.table({"a": [1, None]}).slice(0, 0),
    pa.table({}),
    pa.record_batch({"a": [[1], None]}),
    pa.record_batch({"a": pa.array([], pa.int8())}),
    pa.array([1, 2, 3]).slice(1),
    pa.array([], pa.string()),
    pa.array(["a", "b", "a"]).dictionary_encode(),
    pa.array([{"a": 1}, None]),
    pa.chunked_array([[1], [2, 3]]),
]


def equal_frames(answer: Any, value: Any) -> None:  # noqa: ANN401 (pandas ships no types)
    pd.testing.assert_frame_equal(
        answer, value, check_column_type="exact", check_index_type="exact"
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_dtype_come_back(name: str) -> None:
    series = pd.Series(COLUMNS[name], name=name)
    answer = decode_value(encode_value(series))
    pd.testing.assert_series_equal(answer, series, check_index_type="exact")
    assert type(answer.array) is type(series.array)


def test_a_frame_of_all_dtypes_comes_back_writable() -> None:
    frame = pd.DataFrame(COLUMNS, index=pd.Index([5, 5]))
    frame.attrs["source"] = ("sensor", 1)
    answer = decode_value(encode_value({"frame": frame}))["frame"]
    equal_frames(answer, frame)
    assert answer.attrs == frame.attrs
    answer.iloc[0, 0] = 7
    assert answer.iloc[0, 0] == 7


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a", "b"]),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame(np.arange(6).reshape(2, 3), columns=pd.MultiIndex.from_tuples([(1, 2)] * 3)),
    ],
)
def test_odd_frames_come_back(frame: Any) -> None:  # noqa: ANN401 (pandas ships no types)
    equal_frames(decode_value(encode_value(frame)), frame)


@pytest.mark.parametrize("index", INDEXES, ids=repr)
def test_indexes_come_back(index: Any) -> None:  # noqa: ANN401 (pandas ships no types)
    answer = decode_value(encode_value(index))
    pd.testing.assert_index_equal(answer, index, exact=True)
    assert getattr(answer, "freq", None) == getattr(index, "freq", None)


@settings(deadline=None, max_examples=40)
@given(st.integers(-(10**4), 10**4), st.sampled_from(["Y", "Q", "M", "W", "D", "h", "s"]))
def test_periods_come_back(ordinal: int, freq: str) -> None:
    period = pd.Period(ordinal=ordinal, freq=freq)
    answer = decode_value(encode_value(period))
    assert (answer, answer.freq) == (period, period.freq)


@settings(deadline=None, max_examples=40)
@given(
    st.integers() | st.floats(allow_nan=False),
    st.sampled_from(["left", "right", "both", "neither"]),
)
def test_intervals_come_back(left: float, closed: str) -> None:
    interval = pd.Interval(left, left, closed=closed)
    assert decode_value(encode_value(interval)) == interval


def test_a_frequency_that_the_moments_do_not_have_is_refused() -> None:
    encoded = encode_value(pd.date_range("2020", periods=3, freq="D"))
    assert encoded.count(b'"freq":"D"') == 1
    with pytest.raises(ValueEncodingError, match="malformed"):
        decode_value(encoded.replace(b'"freq":"D"', b'"freq":"W"'))


@settings(deadline=None)
@given(
    st.datetimes(pd.Timestamp.min, pd.Timestamp.max),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_timestamps_come_back(moment: Any, zone: str | None, unit: str) -> None:  # noqa: ANN401
    timestamp = pd.Timestamp(moment).as_unit(unit)
    if zone is not None:
        timestamp = timestamp.tz_localize("UTC").tz_convert(zone)
    answer = decode_value(encode_value(timestamp))
    assert (answer, answer.unit, str(answer.tz)) == (timestamp, timestamp.unit, str(timestamp.tz))
    assert type(answer) is pd.Timestamp


def test_durations_and_the_missing_values_come_back() -> None:
    answer = decode_value(encode_value([pd.Timedelta("1s"), pd.NaT, pd.NA]))
    assert (type(answer[0]), answer[0]) == (pd.Timedelta, pd.Timedelta("1s"))
    assert answer[1] is pd.NaT
    assert answer[2] is pd.NA


def test_a_value_that_is_not_carried_is_named_with_its_column() -> None:
    frame = pd.DataFrame({"a": [1], "b": [object()]})
    with pytest.raises(
        ValueEncodingError, match=r"The value.iloc\[:, 1\]\[0\] is a `builtins.object`"
    ):
        encode_value(frame)
    with pytest.raises(ValueEncodingError, match="a type that is not carried"):
        encode_value(pd.Series(pd.arrays.SparseArray([0, 1])))


@pytest.mark.parametrize("value", ARROW)
def test_arrow_comes_back(value: Any) -> None:  # noqa: ANN401 (pyarrow ships no types)
    answer = decode_value(encode_value(value))
    assert type(answer) is type(value)
    assert answer.equals(value)
    if isinstance(value, pa.Table | pa.RecordBatch):
        assert answer.schema.equals(value.schema, check_metadata=True)


def written(write: Callable[[Any], None], compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    schema = pa.schema({"a": pa.string()})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, schema, options=options) as stream:
        write(stream)
    return bytes(sink.getvalue())


TABLE = b'{"$py":"pyarrow.Table","buffer":0}'


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_tables_are_refused(compression: str) -> None:
    data = written(lambda stream: stream.write(pa.table({"a": ["x" * 10_000]})), compression)
    with pytest.raises(ValueEncodingError, match="compressed"):
        decode_value(join_frame(TABLE, [data]))


def test_a_table_with_wrong_offsets_is_refused() -> None:
    data = written(lambda stream: stream.write(pa.table({"a": ["abcd"]})))
    right, wrong = np.array([[0, 4], [0, 9999]], "i4")
    broken = data.replace(right.tobytes() + b"\0" * 8, wrong.tobytes() + b"\0" * 8)
    assert broken != data
    with pytest.raises(ValueEncodingError, match="malformed"):
        decode_value(join_frame(TABLE, [broken]))


RANGE = {"$py": "pandas.RangeIndex", "start": 0, "stop": 10**15, "step": 1, "name": None}
NO_RANGE = {**RANGE, "stop": 0}
SERIES: dict[str, object] = {"$py": "pandas.Series", "name": None, "attrs": {}}
SCALARS = {"$py": "numpy.ndarray", "shape": [1], "items": [1]}


@pytest.mark.parametrize(
    "head",
    [
        {**SERIES, "array": RANGE, "index": RANGE},
        {**SERIES, "array": SCALARS, "index": RANGE},
        {**SERIES, "array": SCALARS, "index": None},
        {**SERIES, "array": "abc", "index": NO_RANGE},
        {
            "$py": "pandas.DataFrame",
            "arrays": [RANGE],
            "index": RANGE,
            "columns": NO_RANGE,
            "attrs": {},
        },
        {"$py": "pandas.DataFrame", "arrays": [], "index": NO_RANGE, "columns": RANGE, "attrs": {}},
        {"$py": "pandas.Index", "array": RANGE, "name": None},
        {"$py": "pandas.Index", "array": SCALARS, "name": []},
        {"$py": "pandas.RangeIndex", "start": 0, "stop": 1, "step": 0},
        {
            "$py": "pandas.MultiIndex",
            "levels": [RANGE],
            "codes": [SCALARS, SCALARS],
            "names": [None],
        },
        {"$py": "pandas.MultiIndex", "levels": [NO_RANGE], "codes": [SCALARS], "names": [None]},
        {"$py": "pandas.Categorical", "codes": SCALARS, "categories": NO_RANGE, "ordered": False},
        {"$py": "pandas.masked", "values": SCALARS, "mask": SCALARS},
        {"$py": "pandas.strings", "storage": "python", "has_na": True, "texts": [1]},
        {"$py": "pandas.strings", "storage": "nobody", "has_na": True, "texts": []},
        {"$py": "pandas.arrow", "column": [1]},
        {"$py": "pandas.moments", "moments": SCALARS, "tz": "Nowhere"},
        {"$py": "pandas.Timestamp", "value": "now", "tz": None},
    ],
)
def test_malformed_tables_are_refused(head: dict[str, object]) -> None:
    with pytest.raises(ValueEncodingError):
        decode_value(json.dumps(head).encode())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([pd.DataFrame(COLUMNS), *INDEXES, *ARROW]), st.data())
def test_mutated_tables_end_in_a_value_or_one_kind_of_error(
    value: Any,  # noqa: ANN401 (pandas ships no types)
    data: st.DataObject,
) -> None:
    encoded = bytearray(encode_value(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_value(encoded)
    except ValueEncodingError:
        return
