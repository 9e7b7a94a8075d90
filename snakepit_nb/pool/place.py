"""Where a call is: in the queue or on a worker. Any thread may look."""

from dataclasses import dataclass

from snakepit_nb.identifiers import CallId, WorkerId

from .dispatch import Dispatch


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlace:
    """A call's worker, or None while it waits and how many others wait that came before it."""

    worker_id: WorkerId | None
    ahead: int = 0


def place_of(dispatch: Dispatch, call_id: CallId) -> CallPlace | None:
    """Finds a call, while the pool's loop goes on; None: it is not there yet, or over."""
    call = dispatch.calls.get(call_id)
    if call is None:
        return None
    if call.worker_id is not None:
        return CallPlace(worker_id=call.worker_id)
    earlier = iter(tuple(dispatch.calls.values()))  # copied in one step, under the GIL
    waiting = (other for other in earlier if other.worker_id is None)
    return CallPlace(
        worker_id=None, ahead=sum(1 for other in waiting if other.entered_at < call.entered_at)
    )
