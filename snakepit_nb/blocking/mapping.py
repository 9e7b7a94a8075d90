"""`Pool.map`: one function over iterables, in chunks, lazily and in order."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future
from contextlib import closing
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

from snakepit_nb.errors import SnakepitError, UsageError

from .function_calls import Arguments, ChunkOutcome
from .printing import is_noninteractive

CHUNKS_AHEAD = 1000
"""How far the iterables are read, and their chunks pickled, ahead of what was consumed."""

SubmitChunk = Callable[[Sequence[Arguments]], "Future[ChunkOutcome]"]


class Bar(Protocol):
    """What is used of a tqdm bar."""

    def update(self, n: int) -> object:
        """Counts items."""

    def close(self) -> object:
        """Leaves the bar as it is."""


def map_in_order(
    submit: SubmitChunk,
    iterables: Sequence[Iterable[Any]],
    *,
    timeout: float | None,
    chunksize: int,
    progress: bool,
) -> Generator[Any]:
    """Begins at once, and returns what yields the values in order; closing that cancels the rest.

    Raises:
        UsageError: chunksize is below 1.
    """
    if chunksize < 1:
        raise UsageError(f"chunksize={chunksize}: a chunk has at least 1 item.")
    deadline = None if timeout is None else time.monotonic() + timeout
    submitted = _submitted(submit, zip(*iterables, strict=False), chunksize)
    results = _results(submitted, deadline, _bar(iterables, is_wanted=progress))
    next(results)
    return results


def _results(
    submitted: Iterator["Future[ChunkOutcome]"], deadline: float | None, bar: Bar
) -> Generator[Any]:
    ahead: deque[Future[ChunkOutcome]] = deque()
    with closing(bar):
        try:
            ahead.extend(islice(submitted, CHUNKS_AHEAD))
            yield None  # to `map_in_order`: from here on closing it cancels
            while ahead:
                left = None if deadline is None else deadline - time.monotonic()
                outcome = ahead[0].result(left)
                ahead.popleft()
                ahead.extend(islice(submitted, 1))
                bar.update(len(outcome.values))
                yield from outcome.values
                if outcome.error is not None:
                    raise outcome.error
        finally:
            for future in ahead:
                future.cancel()


def _submitted(
    submit: SubmitChunk, items: Iterator[Arguments], chunksize: int
) -> Iterator["Future[ChunkOutcome]"]:
    """Submits chunk after chunk as it is iterated. An error stands behind what came before it."""
    error: Exception | None = None
    while error is None:
        chunk: list[Arguments] = []
        try:
            chunk.extend(islice(items, chunksize))
        except Exception as raised:  # noqa: BLE001 (the iterables are the user's)
            error = raised
        if not chunk and error is None:
            return
        if chunk:
            try:
                future = submit(chunk)
            except SnakepitError as refusal:
                error = refusal
            else:
                yield future
    failed: Future[ChunkOutcome] = Future()
    failed.set_exception(error)
    yield failed


def _bar(iterables: Sequence[Iterable[Any]], *, is_wanted: bool) -> Bar:
    if not is_wanted or is_noninteractive():
        return _NoBar()
    lengths = [len(iterable) for iterable in iterables if isinstance(iterable, Sized)]
    total = min(lengths) if len(lengths) == len(iterables) > 0 else None
    bar: Bar = import_module("tqdm.auto").tqdm(total=total)  # here: it loads the notebook's widgets
    return bar


class _NoBar:
    def update(self, n: int) -> None:
        pass

    def close(self) -> None:
        pass
