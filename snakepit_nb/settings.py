"""The one frozen schema of a pool's settings, with every default."""

from dataclasses import dataclass, field

from .errors import UsageError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSource:
    """Where a worker finds one adapter class: a name to import, or the class by cloudpickle."""

    name: str
    """`module:Class`, or a dotted name; for a pickled class the name that messages use."""
    pickled: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool is made up. Durations are seconds; `None` means without limit.

    Raises:
        UsageError: a value makes no sense; the message names the option.
    """

    name: str = "default"
    workers: int = 2
    adapters: tuple[AdapterSource, ...] = ()
    python: str = ""
    """The interpreter of the workers; empty for the kernel's own."""
    cwd: str = ""
    """The workers' directory; empty for the kernel's own."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    call_timeout: float | None = 300.0
    stream_timeout: float | None = 900.0
    queue_timeout: float | None = 10.0
    queue_size: int = 1000

    ready_timeout: float = 30.0
    start_batch: int = 10
    interrupt_grace: float = 5.0
    """How long an interrupted call may go on before its worker is killed."""
    stop_grace: float = 6.0
    message_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"--workers {self.workers}: a pool needs at least 1 worker.")
        if not self.name.isidentifier():
            raise UsageError(f"--name {self.name!r}: a pool's name is a Python identifier.")
        for option in ("ready_timeout", "interrupt_grace", "stop_grace"):
            if getattr(self, option) <= 0:
                raise UsageError(f"{option} {getattr(self, option)}: give a number above 0.")
