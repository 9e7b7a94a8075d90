"""One cell in a worker, for a thread that waits for it."""

import time
from collections.abc import Callable
from functools import partial

from snakepit_nb.calls import CellCall, CellEvent, CellReply, InputRequest
from snakepit_nb.channel.channel import PutCellEvent
from snakepit_nb.pool.pool import Pool

from .delivery import Delivery
from .interrupts import interrupts_to
from .portal_task import let_run
from .prompt import Prompt

KILL_WITHIN_SECONDS = 2.0
KILLED_BY_INTERRUPT = "it was killed by the second interrupt"


def run_cell(
    pool: Pool,
    cell: CellCall,
    show: Callable[[CellEvent], None],
    *,
    timeout: float | None = None,
) -> CellReply:
    """Runs a cell, shows on this thread what it puts out, and asks here what it asks.

    An interrupt goes to the worker, which answers it; a second one within 2 s kills the worker.

    Raises:
        SnakepitError: the cell did not run, or not to its end.
    """
    prompt = Prompt()
    delivery: Delivery[CellEvent, CellReply] = Delivery(
        partial(_run_on_portal, pool, cell, timeout, prompt)
    )
    pressed = 0.0

    def press() -> None:
        nonlocal pressed
        prompt.interrupt()
        now = time.monotonic()
        if now - pressed <= KILL_WITHIN_SECONDS:
            let_run(partial(pool.kill, cell.call_id, KILLED_BY_INTERRUPT))
        else:
            let_run(partial(pool.interrupt, cell.call_id))
        pressed = now

    try:
        with interrupts_to(press):
            delivery.start()
            for event in delivery:
                if isinstance(event, InputRequest):
                    let_run(partial(pool.reply_input, cell.call_id, prompt.ask(event)))
                else:
                    show(event)
    except BaseException:
        delivery.cancel()
        raise
    return delivery.result


async def _run_on_portal(
    pool: Pool, cell: CellCall, timeout: float | None, prompt: Prompt, put: PutCellEvent
) -> CellReply:
    try:
        return await pool.run_cell(cell, put, timeout=timeout)
    finally:
        prompt.withdraw()
