"""Where a call is: in the queue or on a worker. Any thread may look."""

from snakepit_nb.calls import CallPlace
from snakepit_nb.identifiers import CallId

from .dispatch import Dispatch


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
