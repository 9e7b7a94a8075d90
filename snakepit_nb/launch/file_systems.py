"""Tells whether a directory is on this machine or on another's."""

import os
from pathlib import Path

NETWORKED = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    ]
)
"""`fuse.sshfs` and its like are too: any that begins with `fuse.`."""

MOUNTS = Path("/proc/self/mountinfo")


def is_on_network(directory: Path, *, mounts: Path = MOUNTS) -> bool:
    """Tells whether the directory, there or yet to be made, is on a file system of the network.

    Where the system does not tell, it is taken for one of this machine.
    """
    try:
        while not directory.exists():
            directory = directory.parent
        device = directory.stat().st_dev
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {_kind(line) for line in lines if line.split()[2] == number}
    return any(kind in NETWORKED or kind.startswith("fuse.") for kind in kinds)


def _kind(line: str) -> str:
    """Reads the type, which stands behind fields of which some may be missing: see proc(5)."""
    return line.partition(" - ")[2].split()[0]
