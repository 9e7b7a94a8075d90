"""What is there to be judged: values that `looking` and `trial` have read."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One that runs, and what is installed for it."""

    executable: str
    python: str
    versions: Mapping[str, str | None]
    """By distribution; None: it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one worker did that was started, called and stopped."""

    worker: Interpreter
    start_seconds: float
    call_seconds: float
    """Half of the calls were quicker."""
    stop_seconds: float
    problems: tuple[str, ...]
    """What the pool complained of meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePlace:
    """Where sockets would be made."""

    directory: str
    preferred: str
    """`$XDG_RUNTIME_DIR`; empty where it is not set."""
    path_bytes: int
    """Of the longest path of a socket there."""
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPlace:
    """The registry, as far as there is one."""

    path: str
    is_there: bool
    is_writable: bool
    is_on_network: bool
    problem: str
    """Why it cannot be read; empty where it can."""
    live_runs: int
    live_workers: int
    dead_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """How many files this process may have open. None: as many as it likes."""

    opened: int
    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """How many processes and threads there may be. None: as many as one likes."""

    of_user: int
    user_limit: int | None
    of_group: int
    group_limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """In bytes. The control group's limit is None where there is none."""

    total: int
    available: int
    group_limit: int | None
    group_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMemory:
    """The file system at `/dev/shm`, in bytes; None where there is no such."""

    total: int | None
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanCount:
    """What killed kernels have left."""

    runs: int
    processes: tuple[int, ...]
    """Their numbers."""
