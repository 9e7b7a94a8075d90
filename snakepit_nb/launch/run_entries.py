"""What the registry has of a run and its workers. A run is one guardian's life in one kernel."""

import secrets
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from .identity import Identity, own_identity


class WorkerState(StrEnum):
    """Where a worker is in its life, as far as the registry knows."""

    RESERVED = "reserved"
    """It is about to be started; whether there is a process, only a look at them all can tell."""
    ACTIVE = "active"
    TERMINATING = "terminating"
    """It was told to end. It is removed when its end was seen, and not before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """One worker of a run."""

    name: str
    state: WorkerState
    process: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run, and what is to be removed with it."""

    run_id: str
    kernel: Identity
    host: str
    created: float
    """In seconds since the epoch, for people to read."""
    guardian: Identity | None = None
    paths: tuple[str, ...] = ()
    """Directories and files that are the run's own, such as that of its sockets."""

    @classmethod
    def of_this_process(cls, *paths: str) -> Self:
        """Makes a new run of this process."""
        return cls(
            run_id=secrets.token_hex(8),
            kernel=own_identity(),
            host=socket.gethostname(),
            created=time.time(),
            paths=paths,
        )
