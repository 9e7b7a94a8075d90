"""Whose process is at the other end of a TCP connection within this machine."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Where Linux lists connections; other systems do not."""

_LOCAL, _REMOTE, _USER = 1, 2, 7  # columns


def is_of_user(peer: str, port: int, user: int, tables: Sequence[Path] = TABLES) -> bool:
    """Tells whether a peer, as gRPC names it, is of a user; True where the system tells nothing.

    `port` is ours, at which it has connected. Blocks for a moment.
    """
    theirs = peer.rpartition(":")[2]
    if not any(table.exists() for table in tables):
        return True
    if not theirs.isdecimal():
        return False
    return user in _users(tables, int(theirs), port)


def _users(tables: Sequence[Path], theirs: int, ours: int) -> Iterator[int]:
    for table in tables:
        lines: list[str] = []
        with suppress(OSError):  # there is no IPv6
            lines = table.read_text().splitlines()[1:]
        for line in lines:
            columns = line.split()
            if (_port(columns[_LOCAL]), _port(columns[_REMOTE])) == (theirs, ours):
                yield int(columns[_USER])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
