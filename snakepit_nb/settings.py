"""The one frozen schema of a pool's settings, with every default."""

import shlex
from dataclasses import dataclass, field, fields
from enum import StrEnum
from numbers import Integral, Real
from types import NoneType
from typing import get_args, get_origin

from .errors import UsageError

MIB = 1024 * 1024
DEFAULT_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSource:
    """Where a worker finds one adapter class: a name to import, or the class by cloudpickle."""

    name: str
    """`module:Class`, or a dotted name; for a pickled class the name that messages use."""
    pickled: bytes | None = None


class Affinity(StrEnum):
    """How firmly a session is tied to its worker."""

    HINT = "hint"
    """The session's worker while it has room, else any other."""
    STRICT_QUEUE = "strict_queue"
    """The session's worker only; the call waits for it."""
    STRICT_FAIL_FAST = "strict_fail_fast"
    """The session's worker only; the call is refused while that is busy."""


class Profile(StrEnum):
    """How a worker runs its calls."""

    PROCESS = "process"
    """One at a time, on its main thread."""
    THREAD = "thread"
    """As many at once as it has `threads`."""


class CapacityStrategy(StrEnum):
    """Who places calls on workers that can hold several."""

    POOL = "pool"
    """The pool, by load."""
    PROFILE = "profile"
    """The caller, by leases; the pool by itself gives a worker one call at a time."""
    HYBRID = "hybrid"
    """The pool, by load; each worker counts too, and the pool compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool is made up. Durations are seconds; `None` means without limit.

    Raises:
        UsageError: a value makes no sense; the message names the option.
    """

    name: str = "default"
    workers: int = 2
    profile: Profile = Profile.PROCESS
    threads: int | None = None
    """How many calls a worker of the thread profile holds at once; by default 4."""
    capacity_strategy: CapacityStrategy = CapacityStrategy.POOL
    affinity: Affinity = Affinity.HINT
    """What ties a session's tools to its worker; cells make it strict, whatever is said here."""
    adapters: tuple[AdapterSource, ...] = ()
    python: str = ""
    """The interpreter of the workers; empty for the kernel's own."""
    worker_command: str = ""
    """What to run in place of our own worker: a program that is driven as the original's."""
    cwd: str = ""
    """The workers' directory; empty for the kernel's own."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    call_timeout: float | None = 300.0
    stream_timeout: float | None = 900.0
    queue_timeout: float | None = 10.0
    queue_size: int = 1000
    session_ttl: float | None = 3600.0
    """How long a session lives without a call."""
    session_limit: int = 10_000
    """How many sessions may have state, or be kept by the bridge, at a time."""
    trust_results: bool = False
    """Whether `submit` and `map` may unpickle results of types that do not travel otherwise."""

    ready_timeout: float = 30.0
    start_batch: int = 10
    restart_limit: int | None = 5
    """How many workers in one place may crash in a minute before none is started there any more."""
    breaker_limit: int | None = 5
    """How many calls of a tool in a row may crash or run out of time before it is not called."""
    breaker_seconds: float = 30.0
    """How long it is not called then."""
    heartbeat_interval: float = 2.0
    heartbeat_misses: int = 3
    """How many heartbeats in a row may fail to come before a worker gets no calls any more."""
    unresponsive_busy: float = 60.0
    """For how long a worker that runs calls, and neither answers nor computes, is waited for."""
    unresponsive_idle: float = 10.0
    """For how long one that runs none is waited for."""
    taint_on: tuple[str, ...] = ("CUDA error", "device-side assert")
    """What an error says, in whatever case, after which its process is not to be trusted."""
    taint_seconds: float = 60.0
    """How long such a worker is kept apart; then its next heartbeat clears it."""

    worker_ttl: float | None = None
    """How long a worker serves before another takes its place. One that keeps a session stays."""
    max_calls: int | None = None
    max_memory: int | None = None
    """Resident bytes of a worker's own process."""

    interrupt_grace: float = 5.0
    """How long an interrupted call may go on before its worker is killed."""
    stop_grace: float = 6.0
    message_bytes: int = 64 * MIB
    telemetry: bool = True
    """Whether calls leave spans, and the workers' log records come home."""
    rogue_cleanup: bool = True
    """Whether what killed kernels of this user have left is ended, at the start and later on."""

    def __post_init__(self) -> None:
        for option in fields(self):
            _check_kind(option.name, getattr(self, option.name), option.type)
        if self.workers < 1:
            raise UsageError(f"--workers {self.workers}: a pool needs at least 1 worker.")
        if self.threads is not None and self.profile is not Profile.THREAD:
            raise UsageError(f"--threads {self.threads}: this needs --profile thread.")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads {self.threads}: a worker needs at least 1 thread.")
        if not self.name.isidentifier():
            raise UsageError(f"--name {self.name!r}: a pool's name is a Python identifier.")
        self._check_worker_command()
        for name in ("ready_timeout", "interrupt_grace", "stop_grace", "heartbeat_interval"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} {getattr(self, name)}: give a number above 0.")

    def _check_worker_command(self) -> None:
        if not self.worker_command:
            return
        told = f"--worker-command {self.worker_command!r}"
        try:
            words = shlex.split(self.worker_command)
        except ValueError as error:
            raise UsageError(f"{told}: {error}.") from None
        if not words:
            raise UsageError(f"{told}: give a program, such as 'python path/to/grpc_server.py'.")
        if len(self.adapters) > 1 or any(adapter.pickled for adapter in self.adapters):
            raise UsageError(f"{told}: such workers take one --adapter, by a name to import.")
        if self.python:
            raise UsageError(f"{told}: name the interpreter there, and leave --python out.")

    @property
    def capacity(self) -> int:
        """How many calls a worker holds at once."""
        return 1 if self.profile is Profile.PROCESS else self.threads or DEFAULT_THREADS


_KINDS: dict[object, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number of seconds"),
    str: (str, "a text"),
    NoneType: (NoneType, "None"),
}


def _check_kind(option: str, value: object, annotation: object) -> None:
    """Refuses what a user wrote in place of a number or the like: a text, most often."""
    if get_origin(annotation) is tuple:
        return  # made by us
    kinds = [_KINDS[kind] for kind in get_args(annotation) or (annotation,) if kind in _KINDS]
    if kinds and not any(isinstance(value, kind) for kind, _ in kinds):
        wanted = " or ".join(words for _, words in kinds)
        raise UsageError(f"{option} {value!r}: give {wanted}.")
