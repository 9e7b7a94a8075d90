"""What somebody wants of a cell, made into the calls that workers get: one, or one for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from snakepit_nb.calls import CellCall
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import (
    CorrelationId,
    SessionId,
    WorkerId,
    worker_session,
)
from snakepit_nb.settings import Affinity, PoolSettings
from snakepit_nb.telemetry.correlation import new_call_id

from .new_call import check_session, chosen_correlation_id, new_origin
from .targets import Targets, chosen_workers

NOTEBOOK_SESSION = "notebook"
"""Where a cell runs that says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRequest:
    """One cell, and where it shall run: in a session, or on workers; by default the notebook's."""

    code: str
    session: str | None = None
    targets: Targets | None = None
    inputs: Mapping[str, object] = field(default_factory=dict)
    returns: tuple[str, ...] = ()
    timeout: float | None = None
    correlation_id: str | None = None
    is_idempotent: bool = False
    execution_count: int = 0
    store_history: bool = True
    trust_results: bool = False
    allow_stdin: bool = False
    """Somebody is there to answer what its code asks for."""
    parent: bytes = b""
    """JSON: the front end's message that asked for it, without its code; empty: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """The calls of one cell, all under one correlation id."""

    request: CellRequest
    correlation_id: CorrelationId
    cells: tuple[CellCall, ...]

    @property
    def are_many(self) -> bool:
        """Whether what it comes to is told by worker."""
        return self.request.targets is not None and self.request.targets.are_many

    @property
    def trusts_results(self) -> bool:
        """Whether variables may come back as pickles."""
        return self.cells[0].trust_results

    @property
    def names(self) -> tuple[str, ...]:
        """The workers of the calls, in their order; empty names where any will do."""
        return tuple(cell.worker_id or "" for cell in self.cells)


def planned(request: CellRequest, settings: PoolSettings, workers: Sequence[WorkerId]) -> CellPlan:
    """Makes the calls of a cell, for a pool that has these workers.

    Raises:
        UsageError: there is no such worker, or the session is not for users.
    """
    correlation_id = chosen_correlation_id(request.correlation_id)
    return CellPlan(
        request=request,
        correlation_id=correlation_id,
        cells=tuple(
            _call(request, settings, correlation_id, session, worker)
            for session, worker in _places(request, settings, workers)
        ),
    )


def _places(
    request: CellRequest, settings: PoolSettings, workers: Sequence[WorkerId]
) -> list[tuple[SessionId | None, WorkerId | None]]:
    if request.targets is None:
        name = NOTEBOOK_SESSION if request.session is None else request.session
        check_session(name)
        return [(SessionId(name), None)]
    if request.session is not None:
        raise UsageError("--targets and --session exclude each other: give one of them.")
    if request.targets.are_any:
        return [(None, None)]
    chosen = chosen_workers(request.targets, workers, pool=settings.name)
    return [(worker_session(worker), worker) for worker in chosen]


def _call(
    request: CellRequest,
    settings: PoolSettings,
    correlation_id: CorrelationId,
    session: SessionId | None,
    worker: WorkerId | None,
) -> CellCall:
    return CellCall(
        call_id=new_call_id(),
        correlation_id=correlation_id,
        session_id=session,
        worker_id=worker,
        code=request.code,
        affinity=Affinity.HINT if session is None else Affinity.STRICT_QUEUE,
        execution_count=request.execution_count,
        store_history=request.store_history,
        inputs=request.inputs,
        returns=request.returns,
        # The notebook's own session lives as long as the pool, a worker's as long as that.
        keeps_session=worker is not None or session == NOTEBOOK_SESSION,
        is_idempotent=request.is_idempotent,
        allow_stdin=request.allow_stdin,
        parent=request.parent,
        trust_results=request.trust_results or (settings.trust_results and bool(request.returns)),
        origin=new_origin(settings, correlation_id),
    )
