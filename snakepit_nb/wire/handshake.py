"""What a pool and a new worker tell each other before the first call: one JSON line each way.

The introduction goes down the worker's stdin pipe and carries the secrets; the pipe then stays
open, and its end tells the worker to exit. The announcement comes back on a descriptor of its own,
so that nothing that user code prints can be taken for it.
"""

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.identifiers import WorkerId
from snakepit_nb.settings import AdapterSource, Profile

PROTOCOL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What a worker is told about itself."""

    worker_id: WorkerId
    pool: str
    socket_path: str
    black_box_path: str = ""
    """Where to keep a record of the calls; empty: nowhere."""
    token: str
    nonce: str
    adapters: tuple[AdapterSource, ...] = ()
    profile: Profile = Profile.PROCESS
    threads: int = 1
    sys_path: tuple[str, ...] = ()
    message_bytes: int
    bridge_address: str = ""
    """Where the worker asks the kernel, by the same token; empty: nowhere."""
    buffer_directories: tuple[str, ...] = ()
    """Where large buffers lie on their way; none: they travel in the messages."""
    buffer_number: int = 0
    """The worker's own among those that share these directories."""

    def __repr__(self) -> str:
        return f"Introduction(worker_id={self.worker_id!r}, pool={self.pool!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a worker that is ready to serve says of itself."""

    pid: int
    address: str
    nonce: str
    capacity: int = 1
    python: str = ""
    shares_buffers: bool = False
    """Whether it can reach the directories that it was told."""


def write_introduction(introduction: Introduction) -> bytes:
    """Writes the introduction as one line, with its newline."""
    fields = asdict(introduction)
    for adapter in fields["adapters"]:
        if adapter["pickled"] is not None:
            adapter["pickled"] = base64.b64encode(adapter["pickled"]).decode("ascii")
    return json.dumps({"protocol": PROTOCOL, **fields}).encode() + b"\n"


def read_introduction(line: bytes) -> Introduction:
    """Reads the pool's line.

    Raises:
        WorkerStartError: the line is not one, or speaks another version of the protocol.
    """
    fields = _fields(line, "introduction")
    try:
        adapters = tuple(
            AdapterSource(
                name=adapter["name"],
                pickled=None
                if adapter["pickled"] is None
                else base64.b64decode(adapter["pickled"]),
            )
            for adapter in fields.pop("adapters")
        )
        return Introduction(
            adapters=adapters,
            sys_path=tuple(fields.pop("sys_path")),
            buffer_directories=tuple(fields.pop("buffer_directories", ())),
            profile=Profile(fields.pop("profile")),
            **fields,
        )
    except (KeyError, TypeError, ValueError):
        raise WorkerStartError(
            "The introduction on stdin has other fields than expected."
        ) from None


def write_announcement(announcement: Announcement) -> bytes:
    """Writes the announcement as one line, with its newline."""
    return json.dumps({"protocol": PROTOCOL, **asdict(announcement)}).encode() + b"\n"


def read_announcement(line: bytes, *, nonce: str) -> Announcement:
    """Reads the worker's line and checks that it answers our introduction.

    Raises:
        WorkerStartError: the line is not one, is of another version, or answers somebody else.
    """
    fields = _fields(line, "announcement")
    try:
        announcement = Announcement(**fields)
    except TypeError:
        raise WorkerStartError(
            "The worker's announcement has other fields than expected."
        ) from None
    if announcement.nonce != nonce:
        raise WorkerStartError(
            "The worker's announcement does not answer this pool's introduction."
        )
    return announcement


def _fields(line: bytes, what: str) -> dict[str, Any]:  # what JSON holds is checked by its reader
    try:
        fields = json.loads(line)
        protocol = fields.pop("protocol")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WorkerStartError(f"This is no {what}: {line[:80]!r}.") from None
    if protocol != PROTOCOL:
        raise WorkerStartError(
            f"The {what} speaks protocol {protocol!r}, this snakepit_nb speaks {PROTOCOL}: "
            "install the same version in the kernel and for the workers."
        )
    return dict(fields)
