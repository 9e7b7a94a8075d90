"""The codec: what it carries comes back the same, and hostile bytes end in one kind of error."""

import json
import math
import struct
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.frames import MAGIC
from snakepit_nb.wire.values import decode_value, encode_value

ANY_TEXT = st.text(st.characters())  # lone surrogates too
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON_SCALARS = st.none() | st.booleans() | st.integers() | st.text() | FINITE
ZONES = st.none() | st.just(UTC) | st.sampled_from([
    ZoneInfo("Europe/Berlin"), timezone(timedelta(minutes=-90)), timezone(timedelta(0), "home"),
])  # fmt: skip
DATES = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
    st.datetimes() | st.times(),
    ZONES,
    st.sampled_from([0, 1]),
)


def hashable_scalars() -> st.SearchStrategy[object]:
    return (
        JSON_SCALARS
        | ANY_TEXT
        | st.binary()
        | st.sampled_from([math.inf, -math.inf, -(1 << 3000)])
        | st.complex_numbers(allow_nan=False)
        | st.decimals(allow_nan=False)
        | st.uuids()
        | st.dates()
        | st.timedeltas()
        | DATES
        | st.builds(PurePosixPath, st.text("ab/."))
        | st.builds(PureWindowsPath, st.text("ab\\.")).filter(is_read_as_written)
    )


def is_read_as_written(path: PureWindowsPath) -> bool:
    """Tells whether Python itself gets the path back from its text, which some odd ones are not."""
    return PureWindowsPath(str(path)) == path


HASHABLES = st.recursive(
    st.deferred(hashable_scalars),  # a name, else hypothesis writes out kilobytes of them
    lambda items: st.tuples(items, items) | st.frozensets(items, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    HASHABLES | st.binary().map(bytearray) | st.sets(HASHABLES, max_size=3),
    lambda items: (
        st.lists(items, max_size=4)
        | st.tuples(items)
        | st.dictionaries(ANY_TEXT | st.just("$py"), items, max_size=4)
        | st.dictionaries(HASHABLES, items, max_size=3)
        | st.dictionaries(HASHABLES, items, max_size=3).map(OrderedDict)
    ),
    max_leaves=12,
)


def shape(value: object) -> object:
    """Writes a value with the types of all its parts, so that == compares those too."""
    kind = type(value).__qualname__
    if isinstance(value, dict):
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted((shape(item) for item in value), key=repr)
    if isinstance(value, datetime | time):
        return kind, value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    return kind, value, str(value) if isinstance(value, float | complex | Decimal) else None


@settings(deadline=None)
@given(VALUES)
def test_a_value_comes_back_with_its_exact_types(value: object) -> None:
    assert shape(decode_value(encode_value(value))) == shape(value)


@settings(deadline=None)
@given(
    st.recursive(
        JSON_SCALARS,
        lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(), items, max_size=4),
    )
)
def test_what_json_has_is_written_as_plain_json(value: object) -> None:
    if "$py" not in repr(value):
        assert json.loads(encode_value(value)) == value


@pytest.mark.parametrize(
    "value", [math.nan, complex(math.nan, 1), Decimal("sNaN"), Decimal("-0.00")]
)
def test_numbers_that_equal_nothing_come_back_too(value: object) -> None:
    assert repr(decode_value(encode_value([value]))) == repr([value])


def test_what_has_no_json_is_still_valid_json() -> None:
    text = encode_value({"loss": math.nan, "shape": (1, 2)}).decode()

    assert json.loads(text, parse_constant=pytest.fail) == {
        "loss": {"$py": "float", "text": "nan"},
        "shape": {"$py": "tuple", "items": [1, 2]},
    }


def test_an_int_that_is_too_long_for_json_comes_back() -> None:
    huge = (1 << 20_000) + 1
    assert decode_value(encode_value({"a": [huge, -huge]})) == {"a": [huge, -huge]}


def test_counters_and_default_dicts_come_back() -> None:
    counts, groups = Counter("abca"), defaultdict(list, {1: [2]})
    answer = decode_value(encode_value([counts, groups, defaultdict(None, {1: 2})]))
    assert shape(answer) == shape([counts, groups, defaultdict(None, {1: 2})])
    assert [answer[1].default_factory, answer[2].default_factory] == [list, None]


def test_paths_of_this_system_come_back() -> None:
    assert decode_value(encode_value(Path("/a/b"))) == Path("/a/b")
    assert decode_value(encode_value(Path("/a/\udcff"))) == Path("/a/\udcff")


@pytest.mark.skipif(
    is_read_as_written(PureWindowsPath("\\\\.\\")), reason="this Python reads what it writes"
)
def test_a_path_that_python_reads_back_as_another_is_refused() -> None:
    with pytest.raises(ValueEncodingError, match="reads back as another"):
        encode_value(PureWindowsPath("\\\\.\\"))


def test_json_of_peers_may_have_nan() -> None:
    assert math.isnan(decode_value(b'{"a": NaN}')["a"])


def test_bytes_do_not_refer_to_the_received_memory() -> None:
    received = bytearray(encode_value([b"abc"]))
    value = decode_value(memoryview(received))
    received[:] = bytes(len(received))
    received.append(0)  # raises BufferError if a view were left
    assert value == [b"abc"]


class Word(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "The value is a `builtins.object`, a type that is not carried"),
        ([0, 1, {"key": object()}], r"The value\[2\]\['key'\] is a `builtins.object`"),
        ({1: {object()}}, r"The value.values\(\)\[0\]\[0\] is a `builtins.object`"),
        ({(1, pytest): 2}, r"The value.keys\(\)\[0\]\[1\] is a `builtins.module`"),
        ([math.nan, object()], r"The value\[1\] is a `builtins.object`"),
        (Word("x"), "is a `.*test_values.Word`, a type that is not carried"),
        (defaultdict(object), "default_factory other than a builtin type"),
        (datetime.now, "is a `builtins.builtin_function_or_method`"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_carried_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(ValueEncodingError, match=message):
        encode_value(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: dict[str, object] = {}
    loop["again"] = [loop]
    with pytest.raises(ValueEncodingError, match="200 levels deep, or contains itself"):
        encode_value(loop)


@pytest.mark.parametrize(
    "wrap",
    [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: {1: x}],
    ids=["list", "tuple", "dict", "int keys"],
)
def test_depth_is_bounded_on_both_sides(wrap: Callable[[object], object]) -> None:
    deep: object = 0
    for _ in range(200):
        deep = wrap(deep)
    assert shape(decode_value(encode_value(deep))) == shape(deep)
    with pytest.raises(ValueEncodingError, match="200 levels deep"):
        encode_value(wrap(wrap(deep)))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 500 + b"]" * 500,
        b"[" * 10_000_000,
        b'{"a":' * 100_000,
        b'{"$py":"tuple","items":[' * 300 + b"]}" * 300,
    ],
    ids=["closed", "open", "objects", "tuples"],
)
def test_a_depth_bomb_is_refused(data: bytes) -> None:
    with pytest.raises(ValueEncodingError):
        decode_value(data)


def test_many_brackets_side_by_side_or_in_texts_are_no_depth() -> None:
    value = [["["] * 3, '\\"[{', {}] * 1000
    assert decode_value(encode_value(value)) == value


def framed(head: bytes, *buffers: bytes) -> bytes:
    lengths = struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
    start = struct.pack("<4sIQ", MAGIC, len(buffers), len(head))
    return b"".join((start, lengths, head, *buffers))


MALFORMED = {
    "nothing": b"",
    "not JSON": b"{",
    "two values": b"1 2",
    "not UTF-8": b'"\xff"',
    "huge int": b"1" * 10_000,
    "magic alone": MAGIC,
    "cut start": MAGIC + b"\x01\x00",
    "many buffers": struct.pack("<4sIQ", MAGIC, 2**32 - 1, 2),
    "long head": struct.pack("<4sIQ", MAGIC, 0, 2**63),
    "long buffer": struct.pack("<4sIQQ", MAGIC, 1, 1, 2**62) + b"1",
    "too long": framed(b"1") + b"x",
    "unused buffer": framed(b"1", b"x"),
    "no such buffer": framed(b'{"$py":"bytes","buffer":1}', b"x"),
    "negative buffer": framed(b'{"$py":"bytes","buffer":-1}', b"x"),
    "true buffer": framed(b'{"$py":"bytes","buffer":false}', b"x"),
    "no buffer": b'{"$py":"bytes","buffer":0}',
    "buffer twice": framed(b'[{"$py":"bytes","buffer":0},{"$py":"bytes","buffer":0}]', b"x"),
    "unknown tag": b'{"$py":"nobody"}',
    "strange tag": b'{"$py":["tuple"]}',
    "no items": b'{"$py":"tuple"}',
    "items of another kind": b'{"$py":"tuple","items":"ab"}',
    "range as items": b'{"$py":"tuple","items":{"$py":"pandas.RangeIndex",'
                      b'"start":0,"stop":999999999,"step":1}}',
    "unhashable": b'{"$py":"set","items":[[]]}',
    "unhashable key": b'{"$py":"dict","keys":[[]],"values":[1]}',
    "keys without values": b'{"$py":"dict","keys":[1],"values":[]}',
    "factory": b'{"$py":"defaultdict","factory":"exec","keys":[],"values":[]}',
    "float": b'{"$py":"float","text":"x"}',
    "int": b'{"$py":"int","text":"x"}',
    "complex": b'{"$py":"complex","real":1,"imag":"x"}',
    "decimal": b'{"$py":"Decimal","text":"x"}',
    "uuid": b'{"$py":"UUID","text":"x"}',
    "date": b'{"$py":"date","text":"x"}',
    "datetime": b'{"$py":"datetime","text":"2020-01-01","fold":7,"tzinfo":null}',
    "tzinfo": b'{"$py":"datetime","text":"2020-01-01","fold":0,"tzinfo":"UTC"}',
    "timedelta": b'{"$py":"timedelta","days":1e3,"seconds":0,"microseconds":0}',
    "long timedelta": b'{"$py":"timedelta","days":99999999999,"seconds":0,"microseconds":0}',
    "zone outside": b'{"$py":"ZoneInfo","text":"../../etc/passwd"}',
    "path": b'{"$py":"PurePosixPath","text":1}',
}  # fmt: skip


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueEncodingError):
        decode_value(data)


@settings(deadline=None)
@given(st.binary() | st.binary().map(lambda tail: MAGIC + tail))
def test_random_bytes_end_in_a_value_or_one_kind_of_error(data: bytes) -> None:
    decode_or_refuse(data)


@settings(deadline=None)
@given(VALUES, st.data())
def test_mutated_bytes_end_in_a_value_or_one_kind_of_error(
    value: object, data: st.DataObject
) -> None:
    encoded = bytearray(encode_value(value))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]))
    decode_or_refuse(bytes(encoded))


def decode_or_refuse(data: bytes) -> None:
    try:
        decode_value(data)
    except ValueEncodingError:
        return


@pytest.mark.parametrize("package", ["numpy", "pandas", "pyarrow"])
def test_a_package_that_is_absent_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = {
        "numpy": b'{"$py":"numpy.scalar","dtype":"<i4","value":1}',
        "pandas": b'{"$py":"pandas.NA"}',
        "pyarrow": b'{"$py":"pyarrow.Table","buffer":0}',
    }
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueEncodingError, match=f"pip install {package}"):
        decode_value(heads[package])


@pytest.mark.process
def test_plain_values_load_no_further_package() -> None:
    program = (
        "import sys, datetime; from snakepit_nb.wire.values import *;"
        "decode_value(encode_value({'a': (1, datetime.date.today(), b'')}));"
        "print({'numpy', 'pandas', 'pyarrow', 'pydantic'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout == "set()\n"


def test_dates_and_ids_look_as_people_write_them() -> None:
    assert b"2020-02-03" in encode_value(date(2020, 2, 3))
    assert str(UUID(int=7)).encode() in encode_value(UUID(int=7))
