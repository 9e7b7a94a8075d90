"""Functions in workers: a pool as a `concurrent.futures.Executor`."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

from snakepit_nb.errors import UsageError, nearest

from .background import BackgroundCell
from .call_future import CallFuture
from .cell_plan import CellPlan
from .feed import Feed
from .function_calls import chunk_submitter, submit_function
from .mapping import map_in_order

P = ParamSpec("P")
T = TypeVar("T")

REMEMBERED_FUTURES = 20


class FunctionCalls(Executor):
    """The functions of whoever has a feed."""

    _feed: Feed
    _recent: deque[CallFuture[Any]]
    _cells: dict[BackgroundCell, CellPlan]

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CallFuture[T]:
        """Lets a function run in a worker, and returns its future, which can also be awaited.

        It never blocks: what exceeds the pool waits here, without bound or timeout. The function
        travels by cloudpickle; a coroutine function is awaited there.

        Raises:
            UsageError: the function or an argument cannot be pickled; the message names which.
            PoolClosedError: the pool takes no more. It is a RuntimeError too.
        """
        future = submit_function(self._feed, fn, args, kwargs)
        self._recent.append(future)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        progress: bool = False,
    ) -> Generator[T]:
        """Runs a function in workers for each of the items; yields its values in order.

        It begins at once and stays at most 1,000 chunks ahead of what was consumed, so iterables
        may be endless. An error is raised at its place in the order. Closing cancels the rest.

        Args:
            fn: The function; it travels by cloudpickle.
            iterables: Of one argument each.
            timeout: Seconds from now, after which waiting for a value raises TimeoutError.
            chunksize: How many items travel together.
            progress: Shows a bar of tqdm, which counts items.

        Raises: as `submit`.
        """
        return map_in_order(
            chunk_submitter(self._feed, fn),
            iterables,
            timeout=timeout,
            chunksize=chunksize,
            progress=progress,
        )

    def future(self, wanted: str = "-1") -> CallFuture[Any]:
        """Returns a function's or background cell's future: by correlation id, `-1` for the last.

        The last 20 are known, and all cells that are not done.

        Raises:
            UsageError: there is none such.
        """
        recent: list[CallFuture[Any]] = list(self._recent)
        by_place = {str(place): recent[place] for place in range(-len(recent), 0)}
        by_id: dict[str, CallFuture[Any]] = {
            found.correlation_id: found for found in (*self._cells, *recent)
        }
        if wanted not in by_place | by_id:
            raise UsageError(
                f"Nothing was submitted or started as {wanted!r}: {nearest(wanted, by_id)}"
            )
        return (by_place | by_id)[wanted]
