"""Calls of functions: pickled at once, in the caller's thread; read on the portal's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio

from snakepit_nb.calls import ToolCall
from snakepit_nb.errors import SnakepitError, UsageError
from snakepit_nb.identifiers import CorrelationId
from snakepit_nb.telemetry.correlation import new_call_id
from snakepit_nb.wire.culprits import can_be_pickled
from snakepit_nb.wire.failures import decode_failure
from snakepit_nb.wire.function_calls import MAP, SUBMIT, function_parameters, read_outcome
from snakepit_nb.wire.packed import Pickled
from snakepit_nb.wire.pickles import parts_of, pickled

from .call_future import CallFuture
from .feed import Feed
from .new_call import chosen_correlation_id, new_origin

T = TypeVar("T")

Arguments = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOutcome:
    """What a chunk of a map came to: its values, up to the first that failed."""

    values: Sequence[Any]
    error: SnakepitError | None


def submit_function(
    feed: Feed, function: Callable[..., T], arguments: Arguments, keywords: Mapping[str, Any]
) -> CallFuture[T]:
    """Lets a function run in a worker.

    Raises:
        UsageError: it, or an argument, cannot be pickled; the message names which.
        PoolClosedError: the pool takes no more.
    """
    settings = feed.pool.settings
    trust_results = settings.trust_results
    sent = _pickled((function, arguments, keywords), _parts(function, arguments, keywords))
    correlation_id = chosen_correlation_id(None)
    call = ToolCall(
        call_id=new_call_id(),
        correlation_id=correlation_id,
        tool_name=SUBMIT,
        label=_name(function),
        parameters=function_parameters(call=sent, trust_results=trust_results),
        origin=new_origin(settings, correlation_id),
    )
    return feed.submit(call, partial(_read_value, trust_results=trust_results))


def chunk_submitter(
    feed: Feed, function: Callable[..., Any]
) -> Callable[[Sequence[Arguments]], CallFuture[ChunkOutcome]]:
    """Returns what lets a function run in a worker for a chunk of arguments, all under one id.

    Raises:
        UsageError: the function cannot be pickled. What is returned raises it for arguments.
        PoolClosedError: the pool takes no more; here, or in what is returned.
    """
    feed.check_open()
    settings = feed.pool.settings
    trust_results = settings.trust_results
    name = _name(function)
    sent = _pickled(function, _parts(function))
    correlation_id = chosen_correlation_id(None)
    read = partial(_read_chunk, correlation_id=correlation_id, trust_results=trust_results)
    pace = feed.paces.of(parts_of(sent)[0])

    def submit(chunk: Sequence[Arguments]) -> CallFuture[ChunkOutcome]:
        items = _pickled(chunk, (part for item in chunk for part in _parts(function, item)))
        call = ToolCall(
            call_id=new_call_id(),
            correlation_id=correlation_id,
            tool_name=MAP,
            label=name,
            parameters=function_parameters(
                function=sent, items=[items], trust_results=trust_results
            ),
            origin=new_origin(settings, correlation_id),
        )
        return feed.submit(call, read, pace)

    return submit


async def _read_value(outcome: object, *, trust_results: bool) -> Any:
    value, _ = await _read(outcome, trust_results=trust_results)
    return value


async def _read_chunk(
    outcome: object, *, correlation_id: CorrelationId, trust_results: bool
) -> ChunkOutcome:
    values, failure = await _read(outcome, trust_results=trust_results)
    error = decode_failure(failure, correlation_id=correlation_id) if failure else None
    return ChunkOutcome(values=values, error=error)


async def _read(outcome: object, *, trust_results: bool) -> tuple[Any, str]:
    read = partial(read_outcome, outcome, trust_results=trust_results)
    if isinstance(outcome, bytes):
        return read()
    return await anyio.to_thread.run_sync(read)  # a pickle may run code, for as long as it likes


def _pickled(value: object, parts: Iterable[tuple[str, object]]) -> bytes | Pickled:
    """Pickles a value, or names the first of its parts that cannot be."""
    try:
        return pickled(value)
    except Exception as error:  # noqa: BLE001 (users' classes raise anything when pickled)
        name = next((name for name, part in parts if not can_be_pickled(part)), "a part of it")
        raise UsageError(f"{name} cannot be sent to a worker: {error}") from None


def _parts(
    function: Callable[..., Any],
    arguments: Arguments = (),
    keywords: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, object]]:
    """Names what makes up a call, for the error."""
    name = _name(function)
    yield f"The function {name}", function
    for number, argument in enumerate(arguments, start=1):
        yield f"Argument {number} of {name}, a `{type(argument).__qualname__}`,", argument
    for keyword, argument in (keywords or {}).items():
        yield f"Argument {keyword!r} of {name}, a `{type(argument).__qualname__}`,", argument


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or type(function).__qualname__
