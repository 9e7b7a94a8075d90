"""Cells from code that blocks: in sessions, on workers, in the background."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from snakepit_nb.calls import CallPlace, CellEvent, CellReply
from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.identifiers import SessionId, WorkerId, place_name
from snakepit_nb.pool.pool import Pool
from snakepit_nb.settings import PoolSettings

from .background import Audience, BackgroundCell, start_cell
from .call_future import CallFuture
from .cell_outcome import Outcome, error_of, values_of
from .cell_plan import CellPlan, CellRequest, planned
from .cell_run import Show, run_cells
from .feed import Feed
from .grouped_output import Grouped, Grouping
from .options import chosen
from .portal import portal
from .portal_task import let_run, wait
from .printing import print_event
from .targets import ANY, Targets, chosen_workers, parse_targets


class CellCalls:
    """The cells of whoever has a pool."""

    settings: PoolSettings
    _pool: Pool
    _feed: Feed
    _recent: deque[CallFuture[Any]]
    _cells: dict[BackgroundCell, CellPlan]
    """Those in the background that are not done."""

    def exec(
        self,
        code: str,
        /,
        *,
        targets: str | None = None,
        group_outputs: str = Grouping.WORKER,
        **options: Any,
    ) -> Any:
        """Runs code as a cell of the notebook's session, of another one, or on workers.

        Args:
            code: What to run; what it shows is printed.
            targets: Workers, each with its own variables: `"all"`, `"0"`, `"0,2"`, `"1:"`, `"w1"`;
                or `"any"`, with variables that are gone after it.
            group_outputs: Whose output comes first, where several workers are meant: `none` (as
                it comes), `worker`, `type` or `order`.
            options: `session`, a session's name; `inputs`, variables to set before, by name;
                `returns`, the names of variables to bring back; `timeout` in seconds;
                `correlation_id`; `is_idempotent`, it may run twice; `trust_results`, what the codec
                does not carry may come back as a pickle.

        Returns: the variables of `returns` by name, else None. Where several workers are meant,
        each is a dictionary by worker.

        Raises:
            ToolError: the code raised; where several workers are meant, an ExceptionGroup too.
            SnakepitError: it did not run, or not to its end.
        """
        grouping = chosen("group_outputs", group_outputs, Grouping)
        plan = self.plan(replace(_request(code, targets, options), allow_stdin=True))
        grouped = Grouped(plan.names if plan.are_many else (), grouping, print_event)
        outcomes = self.run_planned(plan, grouped.show)
        grouped.finish()
        error = error_of(plan, outcomes)
        if error is not None:
            raise error
        return values_of(plan, outcomes) if plan.request.returns else None

    def exec_async(
        self,
        code: str,
        /,
        *,
        targets: str | None = None,
        group_outputs: str = Grouping.WORKER,
        **options: Any,
    ) -> BackgroundCell:
        """As `exec`, but returns at once: a future, which can be awaited, with that value."""
        grouping = chosen("group_outputs", group_outputs, Grouping)
        plan = self.plan(_request(code, targets, options))
        return self.start_planned(plan, _Printing(plan, grouping))

    def worker_id(self, name: str | int) -> WorkerId:
        """Returns the worker that is at a place now, by its name or number.

        Raises:
            UsageError: there is no such worker.
        """
        targets = parse_targets(str(name))
        if targets.are_many or targets.are_any:
            raise UsageError(f"worker {name!r}: give one worker, by name or number.")
        (worker,) = chosen_workers(targets, self._workers(), pool=self.settings.name)
        return worker

    def end_session(self, name: str) -> None:
        """Lets a session go, with its variables, once its worker has finished what it runs."""
        wait(partial(self._pool.end_session, SessionId(name)))

    def run_cell(
        self,
        code: str,
        *,
        session: str | None,
        show: Callable[[CellEvent], None] | None = None,
        **details: Any,
    ) -> CellReply:
        """Runs a cell in a session's worker; `show` gets what it shows, by default it is printed.

        Without a session it runs on any worker, with variables of its own that are gone after it.

        Raises:
            SnakepitError: the cell did not run, or not to its end. An error of the code itself is
                in the reply.
        """
        targets = None if session is not None else parse_targets(ANY)
        return self.run_request(
            CellRequest(code=code, session=session, targets=targets, **details), show
        )

    def run_request(
        self, request: CellRequest, show: Callable[[CellEvent], None] | None = None
    ) -> CellReply:
        """As `run_cell`; the request names one worker at most."""
        present = show or print_event

        def show_event(_: int, event: CellEvent | None) -> None:
            if event is not None:
                present(event)

        (outcome,) = self.run_planned(self.plan(request), show_event)
        if isinstance(outcome, CellReply):
            return outcome
        raise outcome

    def plan(self, request: CellRequest) -> CellPlan:
        """Makes the calls of a cell for `run_planned` or `start_planned`.

        Raises:
            UsageError: a worker is not there, or the session is not for users.
        """
        targets = request.targets
        needs_workers = targets is not None and not targets.are_any
        return planned(request, self.settings, self._workers() if needs_workers else ())

    def run_planned(self, plan: CellPlan, show: Show) -> list[Outcome]:
        """Runs the calls of a cell at once, shows what they show, and returns how each ended."""
        return run_cells(self._pool, plan.cells, show, timeout=plan.request.timeout)

    def places_of(self, plan: CellPlan) -> list[CallPlace | None]:
        """Tells, in any thread, where the calls of a cell are; None: it is over."""
        return [self._pool.place_of(cell.call_id) for cell in plan.cells]

    def cancel_planned(self, plan: CellPlan) -> None:
        """Ends the calls of a cell, from any thread, and does not wait for that."""
        for cell in plan.cells:
            let_run(partial(self._pool.cancel, cell.call_id))

    def start_planned(self, plan: CellPlan, audience: Audience) -> BackgroundCell:
        """Lets the calls of a cell run in the background.

        Raises:
            PoolClosedError: the pool takes no more.
        """
        future = start_cell(self._feed, plan, audience)
        self._cells[future] = plan
        future.add_done_callback(lambda _: self._cells.pop(future, None))
        self._recent.append(future)
        return future

    def _interrupt_cells(self) -> None:
        """Interrupts what runs in the background, so that its workers can end in good order."""
        for plan in tuple(self._cells.values()):
            for cell in plan.cells:
                let_run(partial(self._pool.interrupt, cell.call_id))

    def _workers(self) -> list[WorkerId]:
        """Returns the workers that take calls; of two at one place the one that serves."""
        ledger = portal().call(self._pool.snapshot).workers
        staying = [worker for worker in ledger if worker.state != "draining"]
        staying.sort(key=lambda worker: worker.state == "starting")
        by_place: dict[str, WorkerId] = {}
        for worker in staying:
            by_place.setdefault(place_name(worker.worker_id), worker.worker_id)
        return sorted(by_place.values(), key=lambda worker: int(place_name(worker)[1:]))


class _Printing:
    """Prints what a background cell puts out."""

    def __init__(self, plan: CellPlan, grouping: Grouping) -> None:
        names = plan.names if plan.are_many else ()
        self._grouped = Grouped(names, grouping, print_event)

    def show(self, number: int, event: CellEvent | None) -> None:
        self._grouped.show(number, event)

    def finish(self, outcomes: Sequence[Outcome]) -> None:  # noqa: ARG002 (the seam's)
        self._grouped.finish()


def _request(code: str, targets: str | None, options: dict[str, Any]) -> CellRequest:
    known = {
        "session",
        "inputs",
        "returns",
        "timeout",
        "correlation_id",
        "is_idempotent",
        "trust_results",
    }
    for option in options:
        if option not in known:
            raise UsageError(f"A cell has no option {option!r}: {nearest(option, known)}")
    if isinstance(options.get("returns"), str):
        options["returns"] = (options["returns"],)
    parsed: Targets | None = None if targets is None else parse_targets(str(targets))
    return CellRequest(code=code, targets=parsed, **options)
