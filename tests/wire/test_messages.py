"""What the codec carries, a parameter, a result and a chunk of a stream carry, each to its type."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd

from snakepit_nb.calls import ToolCall, ToolChunk, ToolResult
from snakepit_nb.identifiers import CallId, CorrelationId
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.messages import (
    read_call,
    read_chunk,
    read_result,
    write_call,
    write_chunk,
    write_result,
)
from snakepit_nb.wire.values import decode_value, encode_value

from .test_classes import VALUES as INSTANCES
from .test_values import VALUES, shape

ID = CorrelationId("sp-1")
LISTS = st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=4)
TEXTS = st.lists(st.none() | st.text(), max_size=4)
ARROWS = st.one_of(
    LISTS.map(lambda items: pa.array(items, pa.int64())),
    TEXTS.map(lambda items: pa.array(items, pa.string())),
    st.lists(LISTS, max_size=3).map(lambda rows: pa.array(rows, pa.list_(pa.int64()))),
    st.tuples(st.text(min_size=1), LISTS).map(lambda named: pa.table({named[0]: named[1]})),
)
COLUMNS = hpd.columns(
    ["a", "b"],
    elements=st.none() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False),
    dtype=object,
)
NUMBERS = hpd.columns(["c", "d"], dtype=float)


def ways(value: object) -> list[Any]:
    """Sends a value on each of its ways, over the bytes that gRPC sends."""
    call = ToolCall(
        call_id=CallId("c"), correlation_id=ID, tool_name="t", parameters={"value": value}
    )
    request = write_call(call, stream=False).SerializeToString()
    response = write_result("t", ToolResult(value=value)).SerializeToString()
    chunk = write_chunk("t", ToolChunk(number=1, data=value)).SerializeToString()
    return [
        read_call(bridge.ExecuteToolRequest.FromString(request), ID).parameters["value"],
        read_result(bridge.ExecuteToolResponse.FromString(response)).value,
        read_chunk(bridge.ToolChunk.FromString(chunk)).data,
    ]


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_a_builtin_value(value: object) -> None:
    assert [shape(answer) for answer in ways(value)] == [shape(value)] * 3


@settings(deadline=None, max_examples=60)
@given(INSTANCES)
def test_an_instance_of_a_users_class(value: object) -> None:
    for answer in ways(value):
        assert (type(answer), answer) == (type(value), value)


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0)))
def test_an_array(value: "np.ndarray[Any, Any]") -> None:
    for answer in ways(value):
        assert answer.dtype == value.dtype
        assert answer.tobytes() == value.tobytes()


@settings(deadline=None, max_examples=40)
@given(hpd.data_frames(COLUMNS) | hpd.data_frames(NUMBERS))
def test_a_table_of_pandas(value: Any) -> None:  # noqa: ANN401 (pandas ships no types)
    for answer in ways(value):
        pd.testing.assert_frame_equal(answer, value, check_column_type="exact")
        for name in value.columns:
            assert list(map(type, answer[name])) == list(map(type, value[name]))


@settings(deadline=None, max_examples=60)
@given(ARROWS)
def test_arrays_and_tables_of_arrow(value: Any) -> None:  # noqa: ANN401 (pyarrow ships no types)
    for answer in ways(value):
        assert type(answer) is type(value)
        assert answer.equals(value)


@settings(deadline=None)
@given(st.floats() | st.integers().map(lambda number: number * 10**700))
def test_a_number_that_json_has_not(value: object) -> None:
    assert repr(decode_value(encode_value(value))) == repr(value)
