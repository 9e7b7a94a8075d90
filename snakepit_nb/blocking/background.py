"""Cells that run while their caller goes on."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from snakepit_nb.calls import CellEvent
from snakepit_nb.errors import CallCancelledError, PoolClosedError, WorkersFailedError

from .call_future import CallFuture
from .cell_outcome import Outcome, error_of, values_of
from .cell_plan import CellPlan
from .cell_run import Piece, run_all
from .errands import remember_context
from .feed import Feed
from .portal import portal
from .portal_task import let_run

log = logging.getLogger(__name__)


class BackgroundCell(CallFuture[Any]):
    """A cell that runs, or will: a future, which can also be awaited.

    Its value are the variables that were asked for, by name, else None. `cancel` takes it out of
    the queue, or interrupts it.
    """


class Audience(Protocol):
    """Who is shown what a background cell puts out, on the thread that serves all pools."""

    def show(self, number: int, event: CellEvent | None) -> None:
        """Shows something of the call of this number; None: it has ended."""

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Is told how all calls have ended, before the future is done."""


def start_cell(feed: Feed, plan: CellPlan, audience: Audience) -> BackgroundCell:
    """Lets a cell run, behind those of its session that were started before.

    Raises:
        PoolClosedError: the pool takes no more.
    """
    feed.check_open(plan.correlation_id)
    number = plan.request.execution_count
    what = f"cell [{number}]" if number else "cell"
    future = BackgroundCell(what, plan.correlation_id, lambda: _runs(feed, plan))
    future.add_done_callback(partial(_let_go, feed, plan))
    forget = remember_context([cell.call_id for cell in plan.cells])
    future.add_done_callback(lambda _: forget())
    feed.start(
        partial(_run, feed, plan, audience, future),
        partial(_refuse, feed, audience, future),
    )
    return future


async def _run(feed: Feed, plan: CellPlan, audience: Audience, future: BackgroundCell) -> None:
    async def put(piece: Piece) -> None:
        _contained(partial(audience.show, *piece))

    if future.cancelled():
        _contained(partial(audience.finish, []))
        return
    try:
        outcomes = await run_all(feed.pool, plan.cells, put, timeout=plan.request.timeout)
        _contained(partial(audience.finish, outcomes))
        values, error = values_of(plan, outcomes), error_of(plan, outcomes)
        if _was_cut(error) and not feed.takes_more:
            error = _closed(feed, future)
    except Exception as failure:  # noqa: BLE001 (it travels to whoever waits)
        values, error = {}, failure
    except BaseException:
        _settle(future, None, PoolClosedError("The cell was ended with the process."))
        raise
    _settle(future, values if plan.request.returns else None, error)


def _refuse(feed: Feed, audience: Audience, future: BackgroundCell) -> None:
    """Ends a cell whose pool was closed in the moment of its start."""
    error = _closed(feed, future)
    _contained(partial(audience.finish, [error]))
    _settle(future, None, error)


def _was_cut(error: Exception | None) -> bool:
    """Tells whether somebody ended a cell before it ended itself."""
    if isinstance(error, WorkersFailedError):
        return all(map(_was_cut, error.by_worker.values()))
    return isinstance(error, CallCancelledError) or type(error).__name__ == "KeyboardInterrupt"


def _closed(feed: Feed, future: BackgroundCell) -> PoolClosedError:
    name = feed.pool.settings.name
    return PoolClosedError(
        f"The cell was ended with its pool {name!r}.", correlation_id=future.correlation_id
    )


def _settle(future: BackgroundCell, value: object, error: Exception | None) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants it
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _let_go(feed: Feed, plan: CellPlan, future: Future[Any]) -> None:
    """Tells who waits for a cancelled future, and ends its calls."""
    if future.cancelled():
        future.set_running_or_notify_cancel()
        for cell in plan.cells:
            let_run(partial(feed.pool.cancel, cell.call_id))


def _runs(feed: Feed, plan: CellPlan) -> bool:
    wanted = {cell.call_id for cell in plan.cells}
    return not wanted.isdisjoint(portal().call(feed.begun))


def _contained(show: Callable[[], None]) -> None:
    """Shows something; a front end that is gone does not end the cell."""
    try:
        show()
    except Exception:
        log.exception("what a background cell put out could not be shown")
