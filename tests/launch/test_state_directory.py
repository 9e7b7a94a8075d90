import os
from pathlib import Path

import pytest

from snakepit_nb.launch import state_directory as module
from snakepit_nb.launch.file_systems import is_on_network
from snakepit_nb.launch.runtime_directory import SHARED_PLACE
from snakepit_nb.launch.state_directory import state_directory


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ext4", False), ("overlay", False), ("nfs4", True), ("lustre", True), ("fuse.sshfs", True)],
)
def test_file_systems_of_the_network_are_known_by_their_type(
    tmp_path: Path,
    kind: str,
    expected: bool,  # noqa: FBT001
) -> None:
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"22 27 0:0 / /proc rw - proc proc rw\n"
        f"36 35 {number} / /home rw,noatime master:1 - {kind} server:/home rw\n"
        f"37 35 {number} /sub /other rw - {kind} server:/home rw\n"
    )

    assert is_on_network(tmp_path / "not" / "there yet", mounts=mounts) is expected


def test_where_the_system_does_not_tell_it_is_no_network(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path, mounts=tmp_path / "none")


def test_the_state_is_kept_in_the_home_or_where_the_user_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert state_directory() == tmp_path / "elsewhere" / "snakepit"

    for no_place in ("", "relative/place"):
        monkeypatch.setenv("XDG_STATE_HOME", no_place)
        assert state_directory() == tmp_path / ".local" / "state" / "snakepit"


def test_a_home_on_the_network_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_on_network", lambda _: True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert state_directory() == tmp_path / "snakepit-state"

    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    assert state_directory() == SHARED_PLACE / f"snakepit-{os.geteuid()}-state"
