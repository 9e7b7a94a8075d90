"""Plain JSON for the original's ends: any value gets a form, or a marker."""

import json
import math
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.markers import (
    DETAIL_VARIABLE,
    ELEMENTS_VARIABLE,
    LENGTH_VARIABLE,
    Detail,
    MarkerPolicy,
    marker_policy,
    redacted,
)
from snakepit_nb.wire.plain_values import plain_json, read_plain_json, strict_plain_json

MARKED = {"__ffi_unserializable__": True, "__type__": "builtins.object"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(), items, max_size=4),
    max_leaves=8,
)
ODD = st.sampled_from([
    object(), {1, 2}, (1,), b"x", math.nan, -math.inf, "\ud800", 1 << 5000, range(3), Decimal(1),
    int, np.arange(3), np.float32(1), pd.NA, datetime.now(UTC), ..., {(1, 2): 3}, lambda: None,
])  # fmt: skip
ANYTHING = st.recursive(
    JSON | ODD,
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.integers(), items, max_size=3),
    max_leaves=8,
)


class Colour(Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    when: datetime
    tags: set[int]


@dataclass
class Point:
    x: float
    y: object


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 (as users write them)


def plain(value: object, policy: MarkerPolicy | None = None) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(plain_json(value, policy or MarkerPolicy(), lambda _: None))


@settings(deadline=None)
@given(JSON)
def test_what_json_has_comes_back(value: object) -> None:
    data = plain_json(value, MarkerPolicy(), pytest.fail)
    assert read_plain_json(data) == value
    assert strict_plain_json(value) == data


@settings(deadline=None, max_examples=60)
@given(ANYTHING)
def test_any_value_becomes_strict_json(value: object) -> None:
    data = plain_json(value, MarkerPolicy(), lambda _: None)
    json.loads(data, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, {2}), [1, [2]]),
        ([math.nan, math.inf, -math.inf], ["NaN", "Infinity", "-Infinity"]),
        (datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
        ([Decimal("1.10"), UUID(int=7), PurePosixPath("/a")], ["1.10", str(UUID(int=7)), "/a"]),
        (Colour.RED, "red"),
        (Point(1.0, Colour.RED), {"x": 1.0, "y": "red"}),
        (Pair(1, 2), {"left": 1, "right": 2}),
        (
            Model(when=datetime(2020, 1, 2, tzinfo=UTC), tags={1}),
            {"when": "2020-01-02T00:00:00+00:00", "tags": [1]},
        ),
        ([np.int64(3), np.float32(0.5), np.bool_(1), np.arange(4).reshape(2, 2)],
         [3, 0.5, True, [[0, 1], [2, 3]]]),
        (pd.DataFrame({"a": [1, 2]}), {"a": {"0": 1, "1": 2}}),
        (pd.Series([1], index=[pd.Timestamp("2020")]), {"2020-01-01T00:00:00": 1}),
        ({1: "a", None: "b", 0.5: "c"}, {"1": "a", "null": "b", "0.5": "c"}),
        (2**64 + 1, 2**64 + 1),
    ],
)  # fmt: skip
def test_what_json_has_not_takes_the_nearest_form(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_what_has_no_form_is_marked_where_it_stands_and_its_type_is_noted() -> None:
    noted: list[str] = []
    data = plain_json([{"a": object()}, object], MarkerPolicy(), noted.append)
    assert json.loads(data) == [{"a": MARKED}, {**MARKED, "__type__": "builtins.type"}]
    assert noted == ["builtins.object", "builtins.type"]


def test_a_value_that_contains_itself_and_a_very_deep_one_are_marked() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    assert plain(loop) == [1, {**MARKED, "__type__": "builtins.list"}]
    assert '"__type__": "builtins.list"' in json.dumps(plain(deep))


class Converts:
    def __init__(self, **ways: object) -> None:
        for name, found in ways.items():
            setattr(self, name, partial(self.answer, found))

    @staticmethod
    def answer(found: object) -> object:
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"model_dump": {"a": 1}, "to_dict": {"b": 2}}, {"a": 1}),
        ({"model_dump": ValueError("no"), "to_dict": {"b": 2}}, {"b": 2}),
        ({"model_dump": object(), "tolist": [1, 2]}, [1, 2]),
        ({"_asdict": {"c": 3}, "tolist": [1]}, {"c": 3}),
        ({"tolist": ValueError("no"), "isoformat": "2020"}, "2020"),
    ],
)
def test_a_value_is_asked_in_the_originals_order(ways: dict[str, object], expected: object) -> None:
    assert plain(Converts(**ways)) == expected


def test_a_container_of_a_foreign_kind_may_not_be_too_large() -> None:
    policy = MarkerPolicy(most_elements=3)

    class Huge:
        shape = (1000, 1000)

        def tolist(self) -> list[int]:
            raise AssertionError("its size was to be looked at first")

    assert plain(np.arange(3), policy) == [0, 1, 2]
    assert plain(np.arange(4), policy)["__type__"] == "numpy.ndarray"
    assert plain(pd.DataFrame({"a": range(4)}), policy)["__type__"].endswith("DataFrame")
    assert plain(Converts(tolist=[[1, 2], [3, 4]]), policy)["__type__"].endswith("Converts")
    assert plain(Huge(), policy)["__ffi_unserializable__"] is True


class Secretive:
    def __repr__(self) -> str:
        return "Secretive(api_key='abc', password: hunter2, auth=Bearer eyJ.x, sk-12345678 end)"


HIDDEN_SECRETS = (
    "Secretive(api_key=[REDACTED], password: [REDACTED], auth=Bearer [REDACTED], [REDACTED] end)"
)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (Detail.NONE, None),
        (Detail.TYPE, "<unserializable "),
        (Detail.TRUNCATED, "Secretive(api_key='abc'"),
        (Detail.REDACTED, HIDDEN_SECRETS),
    ],
)
def test_a_marker_says_as_much_as_the_policy_lets_it(detail: Detail, expected: str | None) -> None:
    said = plain(Secretive(), MarkerPolicy(detail=detail)).get("__repr__")
    assert said == expected or (expected and said.startswith(expected))


def test_a_repr_is_cut_may_raise_and_is_not_even_asked_for_by_default() -> None:
    class Raises:
        def __repr__(self) -> str:
            raise RuntimeError("asked")

    shown = MarkerPolicy(detail=Detail.TRUNCATED, longest_detail=9)
    assert plain(Secretive(), shown)["__repr__"] == "Secretive"
    assert plain(Raises(), MarkerPolicy(detail=Detail.TRUNCATED))["__repr__"] == (
        "<its repr raised RuntimeError>"
    )
    assert "__repr__" not in plain(Raises())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"token": "a b"}', '{"token": [REDACTED]}'),
        ("password='it\\'s'", "password=[REDACTED]"),
        ("my_secret_name=x; other=y", "my_secret_name=[REDACTED]; other=y"),
        ("Authorization: Bearer abc.def", "Authorization: [REDACTED] [REDACTED]"),
        ("nothing to hide: 1", "nothing to hide: 1"),
    ],
)
def test_secrets_are_taken_out_of_a_repr(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    ("environment", "policy"),
    [
        ({}, MarkerPolicy()),
        ({DETAIL_VARIABLE: " Type "}, MarkerPolicy(detail=Detail.TYPE)),
        ({DETAIL_VARIABLE: "everything"}, MarkerPolicy()),
        ({LENGTH_VARIABLE: "x"}, MarkerPolicy(longest_detail=500)),
        ({LENGTH_VARIABLE: "-3"}, MarkerPolicy(longest_detail=0)),
        ({LENGTH_VARIABLE: "9999"}, MarkerPolicy(longest_detail=2000)),
        ({ELEMENTS_VARIABLE: "7"}, MarkerPolicy(most_elements=7)),
        ({ELEMENTS_VARIABLE: "0"}, MarkerPolicy()),
    ],
)
def test_the_policy_is_read_from_the_originals_variables(
    environment: dict[str, str], policy: MarkerPolicy
) -> None:
    assert marker_policy(environment) == policy


@pytest.mark.parametrize("value", [object(), [b"x"], {"a": {(1, 2): 3}}, "\ud800", lambda: None])
def test_where_markers_help_nobody_a_value_without_form_is_refused(value: object) -> None:
    with pytest.raises(ValueEncodingError, match="has no form in JSON"):
        strict_plain_json(value)


def test_a_generator_of_a_user_is_not_consumed() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    generator = numbers()
    assert plain(generator)["__type__"] == "builtins.generator"
    assert list(generator) == [1]


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (b'"NaN"', "float", math.nan),
        (b'"-Infinity"', "float", -math.inf),
        (b"3", "float", 3.0),
        (b"3.0", "integer", 3),
        (b'"Infinity"', "string", "Infinity"),
        (b"true", "float", True),
    ],
)
def test_a_type_url_says_more_of_a_number(data: bytes, kind: str, expected: object) -> None:
    found = read_plain_json(data, kind)
    assert (type(found), str(found)) == (type(expected), str(expected))


def test_a_tensor_becomes_an_array() -> None:
    found = read_plain_json(b'{"shape":[2,2],"data":[1,2,3,4]}', "tensor")
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "data",
    [
        b'{"shape":[1000000000,1000000000],"data":[1]}',
        b'{"shape":[-1],"data":[1]}',
        b'{"shape":["1"],"data":[1]}',
        b'{"shape":[1],"data":[[1]]}',
    ],
)
def test_a_tensor_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueEncodingError, match="tensor"):
        read_plain_json(data, "tensor")
