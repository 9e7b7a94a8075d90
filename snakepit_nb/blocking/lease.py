"""A share of one worker that code which blocks took by hand."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from snakepit_nb.pool.lease import ManualLease
from snakepit_nb.settings import PoolSettings

from .tool_calls import ToolCalls


class Lease(ToolCalls):
    """Calls tools on one worker, one after the other, within a `with`. Made by `Pool.lease`."""

    worker_id: str

    def __init__(self, settings: PoolSettings, scope: AbstractContextManager[ManualLease]) -> None:
        self.settings = settings
        self._scope = scope

    def __enter__(self) -> Self:
        taken = self._scope.__enter__()
        self._runner = taken
        self.worker_id = taken.worker_id
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._scope.__exit__(None, None, None)
