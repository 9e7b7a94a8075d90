"""What a worker's environment is made up of."""

from collections.abc import Mapping

FORCED: Mapping[str, str] = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
"""What nobody may change: with gRPC's fork handlers, a cell that forks can hang."""

QUIET_GRPC: Mapping[str, str] = {"GRPC_VERBOSITY": "NONE"}
"""A default: gRPC's own log would stand between the lines that user code writes."""

WORKER_ID_VARIABLE = "SNAKEPIT_WORKER_ID"
"""By this the guardian knows whose a process is that has left its worker's process group."""

RUN_ID_VARIABLE = "SNAKEPIT_RUN_ID"
"""By this what a dead run has left is found, wherever it has gone. It is no secret."""

_THREAD_LIMITS = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_SECRET_FAMILIES = ("JUPYTER", "CONFIGPROXY_", "KG_", "EG_")
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PWD", "COOKIE", "CRYPT", "CLIENT_KEY")


def worker_environment(
    *,
    inherited: Mapping[str, str],
    limits: Mapping[str, str],
    user: Mapping[str, str],
    forced: Mapping[str, str],
) -> dict[str, str]:
    """Puts an environment together: what the system sets outdoes `limits`, and `user` both."""
    kept = {name: value for name, value in inherited.items() if not _is_of_the_server(name)}
    return {**limits, **kept, **user, **forced}


def thread_limits(threads: int) -> dict[str, str]:
    """Keeps numerical libraries from starting a thread per core in each of many workers."""
    return dict.fromkeys(_THREAD_LIMITS, str(threads))


def _is_of_the_server(name: str) -> bool:
    """Tells what Jupyter's server gave to the kernel alone: its secrets, and `JPY_PARENT_PID`."""
    if name.startswith("JPY_"):
        return True
    return name.startswith(_SECRET_FAMILIES) and any(word in name for word in _SECRET_WORDS)
