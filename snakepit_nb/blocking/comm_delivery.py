"""A comm's message on its way into a worker, for a thread that waits until it is dealt with."""

from collections.abc import Callable
from functools import partial

from snakepit_nb.calls import CellEvent, CommDelivery
from snakepit_nb.pool.pool import Pool

from .delivery import Delivery
from .interrupts import KILLED_BY_INTERRUPT, show_here
from .portal_task import let_run


def send_comm(pool: Pool, delivery: CommDelivery, show: Callable[[CellEvent], None]) -> None:
    """Hands a message to the worker that has its comm, and shows on this thread what comes of it.

    An interrupt goes to the code that the message has called back; a second one within 2 s kills
    the worker.
    """
    shown: Delivery[CellEvent, None] = Delivery(partial(pool.comms.send, delivery))
    show_here(
        shown,
        show,
        interrupt=partial(let_run, partial(pool.comms.interrupt, delivery)),
        kill=partial(let_run, partial(pool.comms.kill, delivery, KILLED_BY_INTERRUPT)),
    )


def send_comm_later(pool: Pool, delivery: CommDelivery, show: Callable[[CellEvent], None]) -> None:
    """Hands a message to the worker that has its comm; shows on the pool's thread what comes."""

    async def put(event: CellEvent) -> None:
        show(event)

    let_run(partial(pool.comms.send, delivery, put))
