"""Whose process has connected, as the system's own tables tell."""

import os
import socket
from pathlib import Path

import pytest

from snakepit_nb.bridge.peer_user import TABLES, is_of_user

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
LINE = "   0: 0100007F:{:04X} 0100007F:{:04X} 01 00000000:00000000 00:00000000 00000000  {} 0 1\n"


@pytest.mark.skipif(not TABLES[0].exists(), reason="this system has no such tables")
def test_a_connection_of_this_process_is_of_its_user() -> None:
    host = "127.0.0.1"
    with (
        socket.create_server((host, 0)) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        ours, theirs = server.getsockname()[1], client.getsockname()[1]
        assert is_of_user(f"ipv4:{host}:{theirs}", ours, os.geteuid())
        assert not is_of_user(f"ipv4:{host}:{theirs}", ours, os.geteuid() + 1)
        assert not is_of_user(f"ipv4:{host}:{theirs}", ours + 1, os.geteuid())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tcp"
    path.write_text(HEAD + LINE.format(5, 7, 1001))
    return path


@pytest.mark.parametrize("peer", ["ipv4:127.0.0.1:5", "ipv6:%5B::ffff:127.0.0.1%5D:5"])
def test_the_user_of_the_connection_is_known(table: Path, peer: str) -> None:
    assert is_of_user(peer, 7, 1001, [table, table.with_name("none")])


@pytest.mark.parametrize(
    ("peer", "port", "user"),
    [
        ("ipv4:127.0.0.1:5", 7, 1000),
        ("ipv4:127.0.0.1:6", 7, 1001),
        ("ipv4:127.0.0.1:5", 8, 1001),
        ("unix:", 7, 1001),
    ],
)
def test_who_is_not_the_user_of_that_very_connection_is_refused(
    table: Path, peer: str, port: int, user: int
) -> None:
    assert not is_of_user(peer, port, user, [table, table.with_name("none")])


def test_where_the_system_tells_nothing_nobody_is_refused(tmp_path: Path) -> None:
    assert is_of_user("ipv4:127.0.0.1:5", 7, 1, [tmp_path / "none"])
