"""The circuit breakers of a pool's tools: what passes, and what they learn of it."""

import time

from snakepit_nb.errors import (
    CallTimeoutError,
    CircuitOpenError,
    Progress,
    ToolError,
    UsageError,
    WorkerCrashedError,
)
from snakepit_nb.scheduling.breaker import Breakers, Circuit
from snakepit_nb.settings import PoolSettings

from .pending_call import PendingCall
from .worker_telling import WorkerTelling


class Circuits:
    """Breakers at work. Cells, leases and functions that the caller sends have none."""

    def __init__(self, settings: PoolSettings, telling: WorkerTelling) -> None:
        self._breakers = Breakers(limit=settings.breaker_limit, seconds=settings.breaker_seconds)
        self._telling = telling

    @property
    def not_closed(self) -> dict[str, str]:
        """The tools that are not called now, or only for a try."""
        return {
            tool: str(state) for tool, state in self._breakers.not_closed(time.monotonic()).items()
        }

    def admit(self, call: PendingCall) -> None:
        """Lets a call pass.

        Raises:
            CircuitOpenError: its tool is not called for a while.
        """
        seconds = self._breakers.admit(call.tool_name, time.monotonic())
        if seconds:
            raise CircuitOpenError(
                f"tool {call.tool_name!r} crashed its workers or ran out of time too often in a "
                f"row: it is not called for {seconds:.0f} s more. See why: %snakepit logs.",
                correlation_id=call.correlation_id,
            )

    def settle(self, call: PendingCall, error: BaseException | None) -> None:
        """Notes how a call has ended; of one that did not pass, nothing."""
        if isinstance(error, CircuitOpenError):
            return
        now = time.monotonic()
        lost = call.worker_id if isinstance(error, WorkerCrashedError) else None
        failed = _has_failed(call, error)
        state = self._breakers.settle(call.tool_name, failed=failed, now=now, lost=lost)
        if state is not None:
            self._telling.circuit_changed(call.tool_name, is_open=state is Circuit.OPEN)


def _has_failed(call: PendingCall, error: BaseException | None) -> bool | None:
    """Tells whether a call speaks against its tool; None: it says nothing of it."""
    match error:
        case None | ToolError() | UsageError():
            return False
        case WorkerCrashedError() if error.progress is not Progress.NOT_STARTED:
            return None if call.is_cancelled else True
        case CallTimeoutError() if call.sent:
            return True
        case _:
            return None
