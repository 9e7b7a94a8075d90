"""The calls of a cell, run side by side: for a thread that waits for them, or in the background."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import anyio

from snakepit_nb.bridge.host_calls import calls_that_wait
from snakepit_nb.calls import CellCall, CellEvent, InputRequest
from snakepit_nb.errors import SnakepitError
from snakepit_nb.identifiers import CallId
from snakepit_nb.pool.pool import Pool
from snakepit_nb.wire.cell_messages import trusted

from .cell_outcome import Outcome
from .delivery import Delivery
from .interrupts import KILLED_BY_INTERRUPT, show_here
from .portal_task import let_run
from .prompt import Prompt

Piece = tuple[int, CellEvent | None]
"""What the call of this number shows; None: it has ended."""
Show = Callable[[int, CellEvent | None], None]


def run_cells(
    pool: Pool, cells: Sequence[CellCall], show: Show, *, timeout: float | None = None
) -> list[Outcome]:
    """Runs calls of cells, shows on this thread what they put out, and asks here what they ask.

    An interrupt goes to all their workers, which answer it; a second one within 2 s kills them.

    Returns: how each ended, in order.
    """
    asked_by = calls_that_wait()
    cells = [replace(cell, on_behalf_of=asked_by) for cell in cells] if asked_by else cells
    prompt = Prompt()
    delivery: Delivery[Piece, list[Outcome]] = Delivery(
        lambda put: _run_all_asking(pool, cells, put, timeout, prompt)
    )

    def show_or_ask(piece: Piece) -> None:
        number, event = piece
        if isinstance(event, InputRequest):
            answer = prompt.ask(event)
            let_run(partial(pool.reply_input, cells[number].call_id, answer))
        else:
            show(number, event)

    def end(how: Callable[[CallId], Awaitable[object]]) -> None:
        prompt.interrupt()
        for cell in cells:
            let_run(partial(how, cell.call_id))

    with delivery.receiving([cell.call_id for cell in cells]):
        return show_here(
            delivery,
            show_or_ask,
            interrupt=partial(end, pool.interrupt),
            kill=partial(end, partial(pool.kill, because=KILLED_BY_INTERRUPT)),
        )


async def _run_all_asking(
    pool: Pool,
    cells: Sequence[CellCall],
    put: Callable[[Piece], Awaitable[None]],
    timeout: float | None,
    prompt: Prompt,
) -> list[Outcome]:
    try:
        return await run_all(pool, cells, put, timeout=timeout)
    finally:
        prompt.withdraw()


async def run_all(
    pool: Pool,
    cells: Sequence[CellCall],
    put: Callable[[Piece], Awaitable[None]],
    *,
    timeout: float | None,
) -> list[Outcome]:
    """Runs calls of cells on the pool's loop; returns how each ended, in order."""
    if len(cells) == 1:
        return [await _run_one(pool, cells[0], 0, put, timeout)]
    outcomes: dict[int, Outcome] = {}

    async def run(number: int, cell: CellCall) -> None:
        outcomes[number] = await _run_one(pool, cell, number, put, timeout)

    async with anyio.create_task_group() as tasks:
        for number, cell in enumerate(cells):
            tasks.start_soon(run, number, cell)
    return [outcomes[number] for number in range(len(cells))]


async def _run_one(
    pool: Pool,
    cell: CellCall,
    number: int,
    put: Callable[[Piece], Awaitable[None]],
    timeout: float | None,
) -> Outcome:
    async def put_event(event: CellEvent) -> None:
        await put((number, event))

    outcome: Outcome
    try:
        outcome = await pool.run_cell(cell, put_event, timeout=timeout)
        if cell.trust_results:  # a pickle may run code, for as long as it likes
            outcome = await anyio.to_thread.run_sync(trusted, outcome)
    except SnakepitError as error:
        error.__traceback__ = None  # it tells all itself, and the way to it holds the arguments
        outcome = error
    await put((number, None))
    return outcome
