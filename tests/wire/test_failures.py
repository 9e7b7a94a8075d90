"""Errors on their way: their type, their traceback, whose they are, and what is known of them."""

import json
import pickle
import traceback

import grpc
import pytest

from snakepit_nb.errors import (
    SnakepitError,
    ToolError,
    UnsendableResultError,
    UsageError,
    ValueEncodingError,
    WorkerCrashedError,
    WorkerError,
)
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.wire.failures import decode_failure, decode_status, encode_failure
from snakepit_nb.wire.problems import ProblemKind, recognise

CORRELATION = CorrelationId("sp-1")


def after_the_wire(error: Exception) -> SnakepitError:
    with pytest.raises(type(error)) as caught:
        raise error
    text = encode_failure(caught.value, tool_name="t")
    return decode_failure(text, correlation_id=CORRELATION)


@pytest.mark.parametrize(
    "kind",
    [
        ValueError, KeyError, IndexError, TypeError, AttributeError, ImportError, RuntimeError,
        NotImplementedError, FileNotFoundError, PermissionError, ZeroDivisionError, LookupError,
        TimeoutError, MemoryError, AssertionError, RecursionError, OSError,
    ],
)  # fmt: skip
def test_a_builtin_error_is_raised_as_its_own_type(kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        raise after_the_wire(kind("why"))
    error = caught.value
    assert isinstance(error, ToolError)
    assert (type(error).__name__, error.category) == (f"Remote{kind.__name__}", "tool")
    assert (error.correlation_id, error.details["tool_name"]) == (CORRELATION, "t")
    assert "why" in error.message


def test_an_error_that_nobody_knows_keeps_its_name() -> None:
    class OwnError(Exception):
        pass

    error = after_the_wire(OwnError("why"))
    assert type(error) is ToolError
    assert error.remote_type.endswith("OwnError")


@pytest.mark.parametrize("error", [UsageError("no such tool"), UnsendableResultError("a lock")])
def test_our_own_errors_stay_what_they_are(error: SnakepitError) -> None:
    found = after_the_wire(error)
    assert (type(found), found.message) == (type(error), error.message)


def test_python_shows_the_workers_traceback_below_an_error_that_nobody_caught() -> None:
    error = after_the_wire(
        ValueError("operands could not be broadcast together with shapes (2,) (3,)")
    )
    text = "".join(traceback.format_exception(error))
    below = text.partition("In the worker:\n")[2]
    assert below.startswith("Traceback (most recent call last):")
    assert "raise error" in below
    assert "Hint: Shapes are compared from the last axis on" in below


def test_a_notebook_shows_the_workers_traceback_the_hint_and_the_id() -> None:
    error = after_the_wire(MemoryError("Unable to allocate 7.28 TiB for an array"))
    assert isinstance(error, ToolError)
    lines = error._render_traceback_()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-3:-1] == [
        "MemoryError: Unable to allocate 7.28 TiB for an array",
        f"Hint: {error.details['hint']}",
    ]
    assert lines[-1] == "[in a worker, sp-1]"


def test_an_error_of_the_originals_worker_is_read() -> None:
    text = json.dumps(
        {
            "type": "KeyError",
            "message": "'x'",
            "stacktrace": ["  File ..."],
            "traceback": "Traceback (most recent call last):\n  ...\nKeyError: 'x'",
            "context": {"tool_name": "t", "session_id": "s"},
        }
    )
    error = decode_failure(text, correlation_id=None)
    assert isinstance(error, KeyError)
    assert error.details == {"tool_name": "t", "session_id": "s"}


@pytest.mark.parametrize("text", ["", "plain words", "[1]", '{"type": 3, "context": [1]}', "{}"])
def test_an_error_that_is_no_json_is_one_all_the_same(text: str) -> None:
    assert isinstance(decode_failure(text, correlation_id=None), ToolError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, WorkerCrashedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ValueEncodingError),
        (grpc.StatusCode.UNIMPLEMENTED, WorkerError),
        (grpc.StatusCode.INTERNAL, WorkerError),
    ],
)
def test_a_status_becomes_an_error_of_its_family(
    status: grpc.StatusCode, kind: type[SnakepitError]
) -> None:
    error = decode_status(status, "why", correlation_id=CORRELATION)
    assert (type(error), error.correlation_id) == (kind, CORRELATION)


def test_a_stream_that_was_cut_while_it_was_written_to_is_a_crash() -> None:
    error = decode_status(grpc.StatusCode.INTERNAL, "Internal error from Core")
    assert isinstance(error, WorkerCrashedError)


PROBLEMS = [
    (
        "shapes (2,3) and (4,5) not aligned: 3 (dim 1) != 4 (dim 0)",
        ProblemKind.SHAPE_MISMATCH,
        {"shapes": [[2, 3], [4, 5]]},
    ),
    (
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        ProblemKind.SHAPE_MISMATCH,
        {"shapes": [[2, 3], [4, 5]]},
    ),
    (
        (
            "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            "(n?,k),(k,m?)->(n?,m?) (size 4 is different from 3)"
        ),
        ProblemKind.SHAPE_MISMATCH,
        {"expected": 3, "got": 4, "dimension": 0},
    ),
    (
        "cannot reshape array of size 5 into shape (2,3)",
        ProblemKind.SHAPE_MISMATCH,
        {"shapes": [[5], [2, 3]]},
    ),
    (
        "shape '[2, 3]' is invalid for input of size 5",
        ProblemKind.SHAPE_MISMATCH,
        {"shapes": [[2, 3], [5]]},
    ),
    (
        "Expected 2D array, got 1D array instead:",
        ProblemKind.SHAPE_MISMATCH,
        {"expected_rank": 2, "got_rank": 1},
    ),
    (
        "X has 3 features, but StandardScaler is expecting 4 features as input.",
        ProblemKind.SHAPE_MISMATCH,
        {"expected": 4, "got": 3},
    ),
    (
        "expected shape (3, 4), got (3, 5)",
        ProblemKind.SHAPE_MISMATCH,
        {"expected": [3, 4], "got": [3, 5]},
    ),
    (
        "operands could not be broadcast together with shapes (2,3) (4,5) ",
        ProblemKind.BROADCAST,
        {"shapes": [[2, 3], [4, 5]]},
    ),
    (
        "could not broadcast input array from shape (3,) into shape (2,)",
        ProblemKind.BROADCAST,
        {"got": [3], "expected": [2]},
    ),
    (
        "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
        ProblemKind.BROADCAST,
        {"expected": 3, "got": 4, "dimension": 1},
    ),
    (
        (
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
            "and cpu!"
        ),
        ProblemKind.DEVICE_MISMATCH,
        {"devices": ["cuda:0", "cpu"]},
    ),
    ("Torch not compiled with CUDA enabled", ProblemKind.DEVICE_UNAVAILABLE, {}),
    (
        (
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "15.50 GiB of which 512.00 MiB is free."
        ),
        ProblemKind.OUT_OF_MEMORY,
        {"requested_bytes": 2 << 30, "free_bytes": 512 << 20, "total_bytes": 31 << 29,
         "device": "cuda:0"},
    ),
    (
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000 bytes.",
        ProblemKind.OUT_OF_MEMORY,
        {"requested_bytes": 8000},
    ),
    ("Unable to allocate 7.5 GiB for an array", ProblemKind.OUT_OF_MEMORY,
     {"requested_bytes": 15 << 29}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "kind", "details"), PROBLEMS)
def test_a_well_known_problem_is_recognised(
    message: str, kind: ProblemKind, details: dict[str, object]
) -> None:
    found = recognise(message)
    assert found is not None
    assert (found.kind, found.details) == (kind, details)
    assert found.hint


@pytest.mark.parametrize("message", ["", "invalid literal for int()", "x" * 1_000_000, "a shape"])
def test_other_messages_are_left_alone(message: str) -> None:
    assert recognise(message) is None


def test_an_error_says_whose_it_is_also_after_a_pickle() -> None:
    error = pickle.loads(pickle.dumps(UsageError("why", details={"pool": "p"})))  # noqa: S301 (ours)
    assert (error.message, error.details, error.category) == ("why", {"pool": "p"}, "usage")
