"""Finds a call that can never run, because those who hold the workers wait for it.

A call in a worker may ask for a function of the notebook, and that may call the pool: the call
that asks holds its worker meanwhile. Pure: the ledger goes in, the call that is stuck comes out.
"""

from collections.abc import Collection, Mapping

from snakepit_nb.identifiers import CallId


def find_stuck(
    waiting: Mapping[CallId, Collection[CallId]], needed: Mapping[CallId, Collection[CallId] | None]
) -> CallId | None:
    """Returns the last call that waits for nobody but those who wait for such calls themselves.

    Args:
        waiting: Calls that wait for a worker, in their order, each with those that wait for it.
        needed: For each of them those of which one must end before it can run; None: it may run
            without that.
    """
    held_up = {asking for behind in waiting.values() for asking in behind}
    for call_id in reversed(tuple(waiting)):
        before = needed.get(call_id)
        if before and held_up.issuperset(before):
            return call_id
    return None
