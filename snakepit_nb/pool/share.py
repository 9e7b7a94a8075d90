"""The booking of a share of one worker, for as long as a call or a lease needs it."""

from types import TracebackType

from snakepit_nb.scheduling.events import CallSubmitted
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to

from .dispatch import Dispatch
from .pending_call import PendingCall
from .running_call import gone_before_error
from .supervisor import LiveWorker
from .trace import leave_trace


class Share:
    """Holds a share of a worker within an `async with`, which waits for the scheduler's grant.

    A class, since each call has one: a generator would take three times as long.
    """

    __slots__ = ("_call", "_dispatch", "_event", "_label", "_queue_timeout", "_worker")

    def __init__(
        self,
        dispatch: Dispatch,
        call: PendingCall,
        event: CallSubmitted,
        queue_timeout: float | None,
    ) -> None:
        self._dispatch = dispatch
        self._call = call
        self._event = event
        self._queue_timeout = queue_timeout
        self._worker: LiveWorker | None = None

    async def __aenter__(self) -> LiveWorker:
        """Waits for the share.

        Raises:
            SnakepitError: the call was refused, or waited for too long.
        """
        dispatch, call = self._dispatch, self._call
        dispatch.enter(call)
        self._label = belong_to(Label(call.correlation_id, "", call.session_id or ""))
        try:
            dispatch.tell(self._event)
            worker = self._worker = dispatch.workers.get(await call.granted(self._queue_timeout))
            if worker is None:
                raise gone_before_error(call)  # noqa: TRY301 (ends as every other error)
            dispatch.telling.call_granted(call)
        except BaseException as error:
            self._leave(error)
            raise
        return worker

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Gives the share back."""
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        self._dispatch.telling.call_ended(self._call, error)
        self._dispatch.leave(self._call, self._worker)
        leave_trace(self._call, self._dispatch.settings.name, error)
        belong_no_more(self._label)
