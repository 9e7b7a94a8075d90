"""numpy's arrays and scalars come back bit by bit, writable, in one copy."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.frames import join_frame
from snakepit_nb.wire.values import decode_value, encode_value

DTYPES = (
    hnp.scalar_dtypes() | hnp.byte_string_dtypes(min_len=1) | hnp.unicode_string_dtypes(min_len=1)
)
ARRAYS = hnp.arrays(
    DTYPES | hnp.array_dtypes(DTYPES, min_size=1) | hnp.nested_dtypes(DTYPES, max_itemsize=200),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)


def assert_same(answer: "np.ndarray[Any, Any]", array: "np.ndarray[Any, Any]") -> None:
    assert type(answer) is np.ndarray
    assert (answer.dtype, answer.shape) == (array.dtype, array.shape)
    assert answer.tobytes() == array.tobytes()
    assert answer.flags.writeable
    assert answer.flags.aligned


@settings(deadline=None)
@given(ARRAYS)
def test_an_array_comes_back(array: "np.ndarray[Any, Any]") -> None:
    if array.dtype.itemsize:
        assert_same(decode_value(encode_value(array)), array)


@settings(deadline=None)
@given(ARRAYS.filter(lambda array: array.ndim > 0), st.data())
def test_a_view_of_an_array_comes_back(array: "np.ndarray[Any, Any]", data: st.DataObject) -> None:
    view = array.T[data.draw(hnp.basic_indices(array.T.shape, allow_ellipsis=False))]
    if type(view) is np.ndarray and array.dtype.itemsize:
        assert_same(decode_value(encode_value(view)), view)


def test_fortran_order_is_kept() -> None:
    array = np.asfortranarray(np.arange(12).reshape(3, 4))
    answer = decode_value(encode_value(array))
    assert_same(answer, array)
    assert answer.flags.f_contiguous


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype("i1,f8", align=True),
        np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2], "itemsize": 9}),
        np.dtype([(("title", "a"), "i4"), ("b", [("c", ">f4", (2, 3))])]),
    ],
)
def test_structured_dtypes_keep_their_layout(dtype: "np.dtype[Any]") -> None:
    answer = decode_value(encode_value(np.zeros(3, dtype)))
    assert answer.dtype == dtype
    assert (answer.dtype.fields, answer.dtype.isalignedstruct) == (
        dtype.fields,
        dtype.isalignedstruct,
    )


def test_object_arrays_are_carried_item_by_item() -> None:
    array = np.empty((2, 3), object)
    array.flat[:] = [1, "a", None, (1, 2), np.float32(1.5), 10**50]
    array[0, 2] = [1, [2]]
    answer = decode_value(encode_value(array))
    assert (answer.dtype, answer.shape) == (array.dtype, array.shape)
    assert answer.tolist() == array.tolist()
    assert list(map(type, answer.flat)) == list(map(type, array.flat))


@settings(deadline=None)
@given(hnp.arrays(DTYPES, ()))
def test_a_scalar_comes_back_with_its_type(array: "np.ndarray[Any, Any]") -> None:
    scalar = array[()]
    answer = decode_value(encode_value(scalar))
    assert type(answer) is type(scalar) or scalar.dtype.char in "qQ"  # long long is int64 here
    assert answer.dtype == scalar.dtype
    assert answer.tobytes() == scalar.tobytes() or answer != answer  # noqa: PLR0124 (NaN)


@pytest.mark.parametrize("scalar", [np.str_("a\0"), np.bytes_(b"b\0"), np.longdouble(1) / 3])
def test_scalars_that_python_would_cut_come_back(scalar: "np.generic") -> None:
    answer = decode_value(encode_value(scalar))
    assert (type(answer), answer) == (type(scalar), scalar)


def test_common_scalars_are_plain_json() -> None:
    assert json.loads(encode_value({"loss": np.float64(0.5)}))["loss"]["value"] == 0.5


@pytest.mark.parametrize(
    "value",
    [
        np.ma.masked_array([1]),
        np.zeros(2, [("a", object)]),
        np.zeros(2, np.dtype([])),
        np.zeros(2, "i4,i4").view(np.recarray),
        np.dtypes.StringDType(),
        np.zeros(2, np.dtypes.StringDType()),
    ],
    ids=["masked", "objects", "empty items", "records", "dtype", "texts"],
)
def test_what_is_not_carried_is_refused(value: object) -> None:
    with pytest.raises(ValueEncodingError, match="not carried"):
        encode_value(value)


def head(**fields: object) -> bytes:
    array = {"$py": "numpy.ndarray", "dtype": "<i4", "shape": [2], "order": "C", "buffer": 0}
    return json.dumps({**array, **fields}).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": [3]},
        {"shape": [2**62, 2**62]},
        {"shape": [-1, -2]},
        {"shape": [True, 2]},
        {"shape": 2},
        {"shape": [1] * 100 + [2]},
        {"dtype": "O"},
        {"dtype": "<i3"},
        {"dtype": "i4,i4"},
        {"dtype": "V0", "shape": [10**12]},
        {"dtype": None},
        {"dtype": {"base": "O", "shape": [1]}},
        {"dtype": {"base": "<i4", "shape": [2**40]}},
        {"dtype": {"names": ["a"], "titles": [None], "formats": ["<i8"], "offsets": [4],
                   "itemsize": 8, "aligned": False}},
        {"order": "K"},
        {"order": None},
        {"items": [1], "shape": [2]},
        {"$py": "numpy.scalar", "dtype": "<i1", "value": 1000},
        {"$py": "numpy.scalar", "dtype": "<M8[s]", "value": 1},
        {"$py": "numpy.scalar", "dtype": "<U4", "value": 1},
        {"$py": "numpy.scalar", "array": [1]},
    ],
)  # fmt: skip
def test_malformed_arrays_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueEncodingError):
        decode_value(join_frame(head(**fields), [b"12345678"]))


@settings(deadline=None)
@given(ARRAYS, st.data())
def test_mutated_arrays_end_in_a_value_or_one_kind_of_error(
    array: "np.ndarray[Any, Any]", data: st.DataObject
) -> None:
    if array.dtype.itemsize:
        encoded = bytearray(encode_value(array))
        for _ in range(data.draw(st.integers(1, 4))):
            encoded[data.draw(st.integers(24, len(encoded) - 1))] = data.draw(st.integers(32, 127))
        try:
            decode_value(encoded)
        except ValueEncodingError:
            return
