"""Runs the functions that `submit` and `map` send."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from types import NoneType
from typing import Any, cast

import cloudpickle

from snakepit_nb.errors import UnsendableResultError, UsageError
from snakepit_nb.wire.failures import encode_failure
from snakepit_nb.wire.function_calls import (
    CALL,
    FUNCTION,
    ITEMS,
    MAP,
    SUBMIT,
    write_mapped,
    write_outcome,
)
from snakepit_nb.wire.pickles import parts_of

from .context import current_call

Called = Callable[..., Awaitable[object]]

_PLAIN = frozenset({NoneType, bool, int, float, str, bytes, list, tuple, dict})
"""Types of most values, which can be told not to be awaitable without a look."""


async def run_functions(name: str, parameters: Mapping[str, object], called: Called) -> object:
    """Runs what a reserved tool's parameters hold; `called` calls one function, or awaits it.

    Raises:
        UsageError: there is no such reserved tool.
        UnsendableResultError: the value has a type that does not travel.
    """
    if name == SUBMIT:
        function, arguments, keywords = await _loaded(parameters[CALL], called)
        return write_outcome(await called(function, *arguments, **keywords), parameters)
    if name == MAP:
        return await _map(parameters, called)
    raise UsageError(f"There is no tool {name!r}, and its name is reserved.")


async def _map(parameters: Mapping[str, object], called: Called) -> dict[str, object]:
    """Runs a function for chunk after chunk; behind one that fails, none is begun."""
    begun = time.monotonic()
    function = await _loaded(parameters[FUNCTION], called)
    outcomes: list[object] = []
    for pickled in cast("list[object]", parameters[ITEMS]):
        values, failure = await _mapped_chunk(function, pickled, called)
        try:
            outcomes.append(write_outcome(values, parameters, failure=failure))
        except UnsendableResultError as error:
            outcomes.append(_up_to_unsendable(values, parameters, error))
            break
        if failure:
            break
    return write_mapped(outcomes, time.monotonic() - begun)


async def _mapped_chunk(
    function: Callable[..., Any], pickled: object, called: Called
) -> tuple[list[object], str]:
    try:
        items = await _loaded(pickled, called)
    except Exception as error:  # noqa: BLE001 (told behind the chunks before it)
        return [], encode_failure(error, tool_name=MAP, hide_file=__file__)
    return await _mapped(function, items)


async def _mapped(function: Callable[..., Any], items: Iterable[Any]) -> tuple[list[object], str]:
    """Returns a function's values, and the failure that ended them early, else an empty text."""
    values: list[object] = []
    cancellation = current_call().cancellation
    for arguments in items:
        if cancellation.requested:  # in a thread nothing else would end what nobody waits for
            raise KeyboardInterrupt
        try:
            value = function(*arguments)  # not by `called`: it costs more than a quick function
            is_plain = type(value) in _PLAIN or not isawaitable(value)
            values.append(value if is_plain else await value)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (told behind the values before it)
            return values, encode_failure(error, tool_name=MAP, hide_file=__file__)
    return values, ""


def _up_to_unsendable(
    values: list[object], parameters: Mapping[str, object], error: UnsendableResultError
) -> object:
    """Writes the values that stand before the first that cannot be sent, and why that cannot."""
    for number, value in enumerate(values):
        try:
            write_outcome(value, parameters)
        except UnsendableResultError as refusal:
            failure = encode_failure(refusal, tool_name=MAP)
            return write_outcome(values[:number], parameters, failure=failure)
    # Each can be sent, but not all together: they are nested too deep.
    return write_outcome([], parameters, failure=encode_failure(error, tool_name=MAP))


async def _loaded(pickled: object, called: Called) -> Any:  # noqa: ANN401 (a function, and its arguments)
    data, buffers = parts_of(pickled)
    return await called(cloudpickle.loads, data, buffers=buffers)
