"""The seam behind which worker processes come to be.

Above: the pool's supervisors. Below: a child process under the guardian, or nothing but an object
in tests. It knows no gRPC and no scheduling.
"""

from dataclasses import dataclass
from typing import Protocol

from snakepit_nb.errors import Progress
from snakepit_nb.identifiers import CallId, WorkerId
from snakepit_nb.scheduling.health import ProcessLook
from snakepit_nb.settings import AdapterSource, Profile
from snakepit_nb.wire.buffers import BufferSpace
from snakepit_nb.wire.handshake import Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """All that a launcher must know to start one worker."""

    worker_id: WorkerId
    pool: str
    python: str
    """The interpreter to run."""
    command: tuple[str, ...] = ()
    """What to run in place of our own worker: a program that is driven as the original's."""
    cwd: str
    environment: tuple[tuple[str, str], ...] = ()
    """What the user sets of the worker's environment (`--env`)."""
    sys_path: tuple[str, ...] = ()
    adapters: tuple[AdapterSource, ...] = ()
    profile: Profile = Profile.PROCESS
    threads: int = 1
    message_bytes: int
    ready_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How a worker process ended."""

    exit_code: int | None = None
    signal: int | None = None
    peak_memory: int | None = None
    """Bytes, of the process itself."""
    is_probably_out_of_memory: bool = False
    """The system seems to have killed it because memory ran out; it does not say so of one."""

    def __str__(self) -> str:
        return f"signal {self.signal}" if self.signal is not None else f"exit code {self.exit_code}"


class WorkerProcess(Protocol):
    """One worker process that has announced itself."""

    @property
    def worker_id(self) -> WorkerId:
        """What the pool calls it."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def announcement(self) -> Announcement:
        """What the worker said of itself when it was ready."""

    @property
    def token(self) -> str:
        """The secret that opens the worker's socket."""

    @property
    def buffers(self) -> BufferSpace:
        """Where large buffers lie on their way to it and back."""

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines that the process itself wrote to its stdout and stderr."""

    def progress_of(self, call_id: CallId) -> Progress:
        """Tells how far the worker came with a call; certain once the process has ended."""

    def look(self) -> ProcessLook | None:
        """Tells what the system says of the process now; None: nothing. It blocks for a moment."""

    async def wait(self) -> WorkerExit:
        """Returns when the process has ended; may be awaited many times."""

    async def stop(self, grace: float) -> WorkerExit:
        """Asks the worker to end, kills it after `grace` seconds, and returns once it has ended."""

    async def kill(self) -> WorkerExit:
        """Kills the worker and all that it started, and returns once it has ended."""


class Launcher(Protocol):
    """Starts workers. It is open from its creation until `aclose`."""

    async def launch(self, spec: LaunchSpec) -> WorkerProcess:
        """Starts one worker and returns when it has announced itself.

        Cancelling leaves no process behind.

        Raises:
            WorkerStartError: it did not get ready; the message says why and has its last lines.
        """

    async def aclose(self) -> None:
        """Kills what still runs and frees what the launcher holds."""
