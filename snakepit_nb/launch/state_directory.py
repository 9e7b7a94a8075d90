"""Where this user's kernels keep what must outlive them."""

import os
from pathlib import Path

from snakepit_nb.errors import WorkerStartError
from snakepit_nb.wire.private_directory import verify_private_directory

from .file_systems import is_on_network
from .runtime_directory import SHARED_PLACE


def state_directory() -> Path:
    """Names the directory: below `$XDG_STATE_HOME`, else below `~/.local/state`.

    Where that is on the network, it is one of this machine: SQLite's log needs memory in common,
    and a lock should tell of processes that can be seen from here.
    """
    preferred = os.environ.get("XDG_STATE_HOME", "")
    if preferred.startswith("/"):  # the specification lets a relative one count for nothing
        directory = Path(preferred) / "snakepit"
    else:
        try:
            directory = Path.home() / ".local" / "state" / "snakepit"
        except RuntimeError:  # a user without a home, as some containers have
            return _local_directory()
    return _local_directory() if is_on_network(directory) else directory


def _local_directory() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return Path(runtime) / "snakepit-state"
    return SHARED_PLACE / f"snakepit-{os.geteuid()}-state"


def runs_directory(state: Path) -> Path:
    """Names the directory of the locks by which the kernels' runs are known to live."""
    return state / "runs"


def make_state_directory(state: Path) -> None:
    """Makes the directory, for this user alone.

    Raises:
        OSError: it cannot be made, or others can enter it.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        verify_private_directory(state)
    except WorkerStartError as error:
        raise PermissionError(error.message) from error
    runs_directory(state).mkdir(mode=0o700, exist_ok=True)
