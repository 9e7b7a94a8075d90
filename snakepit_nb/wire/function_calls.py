"""Functions on their way to a worker, and what they come to on the way back.

A function travels as the call of a tool of a reserved name, in pickles. What it returns comes back
by the codec; as a pickle only where the codec does not carry it and the kernel said that it trusts
its workers. A kernel that did not say so unpickles nothing, whatever it is sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from snakepit_nb.errors import UnsendableResultError, ValueEncodingError

from .culprits import why_not_pickled
from .frames import LARGE
from .packed import Pickled, StillPacked
from .pickles import pickled, unpickled
from .values import decode_value, join_packed, pack_value

RESERVED_PREFIX = "snakepit."
"""No user's tool has a name that begins so."""
SUBMIT = "snakepit.submit"
"""Runs one function. Parameter: CALL."""
MAP = "snakepit.map"
"""Runs one function for each tuple of arguments in lists. Parameters: FUNCTION, ITEMS."""

CALL = "call"
FUNCTION = "function"
ITEMS = "items"
"""Pickles, each of a list of tuples. Of each comes an outcome, up to the first that failed."""
TRUST_RESULTS = "trust_results"

_ENCODED = "encoded"
_PICKLED = "pickled"
_FAILURE = "failure"
_OUTCOMES = "outcomes"
_SECONDS = "seconds"


def function_parameters(
    *, trust_results: bool, **pickles: bytes | Pickled | list[bytes | Pickled]
) -> dict[str, object]:
    """Makes the parameters of a call of functions."""
    return {**pickles, TRUST_RESULTS: True} if trust_results else {**pickles}


def joined_parameters(chunks: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Makes the parameters of one call of MAP out of those of several, of one function."""
    items = [each for chunk in chunks for each in cast("list[bytes | Pickled]", chunk[ITEMS])]
    return {**chunks[0], ITEMS: items}


def write_outcome(
    value: object, parameters: Mapping[str, object], *, failure: str = "", name: str = "it"
) -> object:
    """Writes what a call of functions came to: its value, and for MAP what ended it early.

    `name` is what an error calls the value.

    Raises:
        UnsendableResultError: the value has a type that does not travel.
    """
    try:
        packed = pack_value(value)
    except ValueEncodingError as error:
        return {_PICKLED: _pickled(value, error, parameters, name), _FAILURE: failure}
    # What is large is not joined here, but where it is sent.
    encoded = packed if packed.size > LARGE else join_packed(packed)
    return {_ENCODED: encoded, _FAILURE: failure} if failure else encoded


def write_mapped(outcomes: list[object], seconds: float) -> dict[str, object]:
    """Writes what a call of MAP came to, and how long it ran: a result tells whole milliseconds."""
    return {_OUTCOMES: outcomes, _SECONDS: seconds}


def read_mapped(value: object) -> tuple[list[object], float]:
    """Reads the outcomes of a call of MAP, and how many seconds it ran.

    Raises:
        ValueEncodingError: the value is none such.
    """
    match value:
        case {"outcomes": list() as outcomes, "seconds": float() as seconds}:
            return outcomes, seconds
        case _:
            raise ValueEncodingError("What the worker sent is not what a map came to.")


def read_outcome(outcome: object, *, trust_results: bool) -> tuple[Any, str]:
    """Reads the value, and the failure that ended a MAP early, else an empty text.

    Raises:
        ValueEncodingError: it cannot be read, or is a pickle that nobody asked for.
    """
    match outcome:
        case bytes() | StillPacked():
            return decode_value(outcome), ""
        case {"encoded": bytes() | StillPacked() as encoded, "failure": str() as failure}:
            return decode_value(encoded), failure
        case {
            "pickled": bytes() | Pickled() as sent,
            "failure": str() as failure,
        } if trust_results:
            return unpickled(sent), failure
        case _:
            raise ValueEncodingError("What the worker sent is not the outcome of a function.")


def _pickled(
    value: object, error: ValueEncodingError, parameters: Mapping[str, object], name: str
) -> bytes | Pickled:
    if not parameters.get(TRUST_RESULTS):
        raise UnsendableResultError(
            f"{error.message} Return something else, or let the kernel unpickle what its workers "
            "send: start the pool with trust_results=True."
        ) from None
    try:
        return pickled(value)
    except Exception as refusal:  # noqa: BLE001 (users' classes raise anything when pickled)
        why = why_not_pickled(name, value, refusal)
        raise UnsendableResultError(f"{error.message} Nor can it be pickled: {why}") from None
