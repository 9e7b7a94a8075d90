import cloudpickle
import pytest

from snakepit_nb.errors import UnsendableResultError, ValueEncodingError
from snakepit_nb.wire.function_calls import function_parameters, read_outcome, write_outcome
from snakepit_nb.wire.packed import Packed, Pickled
from snakepit_nb.wire.values import decode_value, encode_value

TRUSTED = function_parameters(trust_results=True)
UNTRUSTED = function_parameters(trust_results=False)


class Trap:
    """Does harm when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize("parameters", [TRUSTED, UNTRUSTED])
def test_what_the_codec_carries_is_never_pickled(parameters: dict[str, object]) -> None:
    for value in (None, b"", [1, (2,)], {"pickled": b"x", "failure": ""}):
        written = write_outcome(value, parameters)
        assert isinstance(written, bytes)
        assert read_outcome(written, trust_results=False) == (value, "")


def test_a_failure_stands_behind_the_values_before_it() -> None:
    written = write_outcome([1], UNTRUSTED, failure="failed")

    assert read_outcome(written, trust_results=False) == ([1], "failed")


def test_a_pickle_is_made_where_the_kernel_trusts_only() -> None:
    written = write_outcome({1: range}, TRUSTED, failure="failed")

    assert read_outcome(written, trust_results=True) == ({1: range}, "failed")
    with pytest.raises(UnsendableResultError, match="trust_results=True"):
        write_outcome({1: range}, UNTRUSTED)


def test_nothing_is_unpickled_that_nobody_asked_for() -> None:
    trap = {"pickled": cloudpickle.dumps(Trap()), "failure": ""}

    with pytest.raises(ValueEncodingError, match="not the outcome of a function"):
        read_outcome(trap, trust_results=False)
    with pytest.raises(ValueEncodingError):
        read_outcome(trap["pickled"], trust_results=True)
    with pytest.raises(SystemExit):
        read_outcome(trap, trust_results=True)


def sent(value: object) -> object:
    """Brings what a call came to back to the kernel."""
    return decode_value(encode_value(value))


def test_large_values_are_not_joined_before_they_are_sent() -> None:
    value = {"bytes": b"x" * 100_000, "text": "y" * 100_000}

    written = write_outcome(value, UNTRUSTED)
    failed = write_outcome([value], UNTRUSTED, failure="failed")

    assert isinstance(written, Packed)
    assert read_outcome(sent(written), trust_results=False) == (value, "")
    assert read_outcome(sent(failed), trust_results=False) == ([value], "failed")


def test_large_pickles_come_back_where_the_kernel_trusts_only() -> None:
    value = {range: bytearray(b"x" * 100_000)}

    written = sent(write_outcome(value, TRUSTED))

    assert read_outcome(written, trust_results=True) == (value, "")
    with pytest.raises(ValueEncodingError, match="not the outcome of a function"):
        read_outcome(written, trust_results=False)


def test_a_pickle_that_a_worker_sends_as_a_value_is_not_unpickled() -> None:
    trap = sent(Pickled(cloudpickle.dumps(Trap())))

    for trust_results in (False, True):
        with pytest.raises(ValueEncodingError, match="not the outcome of a function"):
            read_outcome(trap, trust_results=trust_results)
